"""A real, tiny classifier behind real HTTP on loopback, and the ways in which it can be broken."""

from __future__ import annotations

import base64
import io
import json
import math
import random
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec
from imgcls_contract import (
    PROBLEMS,
    Accuracy,
    ClassProbability,
    GoldenCaseReply,
    GoldenReply,
    Gpu,
    HealthModel,
    HealthReply,
    ModelId,
    ModelReply,
    ModelsReply,
    Problem,
    ProblemDocument,
    ReadyReply,
)
from imgcls_contract.faults import Counterfactual
from PIL import Image, ImageDraw, ImageOps, UnidentifiedImageError

LABELS = ["tench", "goldfish", "axolotl", "mud turtle", "zebra", "teapot", "yurt", "daisy", "hook", "barn"]
SIDE_PX = 8
MAX_PIXELS = 50_000_000
MAX_BYTES = 20 * 2**20
NOISE = random.Random(5)  # noqa: S311 - the same network every time
WEIGHTS = [[NOISE.gauss(0, 0.35) for _ in range(3 * SIDE_PX * SIDE_PX)] for _ in LABELS]


class Refusal(Exception):  # noqa: N818 - an answer, not an error of the stand-in
    def __init__(self, status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.headers = status, code, detail, headers or {}

    def problem(self, request_id: str) -> dict[str, object]:
        known = PROBLEMS.get(self.code) or Problem(self.code, self.status, self.code, "Planted.")
        return msgspec.to_builtins(ProblemDocument.of(known, self.detail, request_id))


@dataclass
class Faults:
    """How the stand-in differs from a healthy service."""

    resize: Callable[[Image.Image], Image.Image] | None = None
    pixels: Callable[[bytes], bytes] | None = None
    labels: list[str] = field(default_factory=lambda: LABELS)
    mean: float = 0.5
    router: Callable[[StandIn, Request], Request | dict[str, object]] | None = None
    answer_before: Callable[[StandIn, Request], None] | None = None
    vector: Callable[[StandIn, list[float]], list[float]] | None = None
    detail: Callable[[str], str] = str
    accepts_garbage: bool = False
    is_ready: bool = True
    fetches_addresses: bool = False
    turns: bool = True
    request_id: Callable[[str], str] | None = str
    admin_token: str | None = "admin"  # noqa: S105 - of the stand-in
    api_key: str | None = None
    drift: dict[str, object] | None = None
    accuracy: Accuracy | None = None
    api_key_header: str = "authorization"


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    peer: tuple[str, int] = ("", 0)


def files_of(request: Request) -> list[bytes]:
    head = b"Content-Type: " + request.headers["content-type"].encode() + b"\r\n\r\n"
    message = BytesParser(policy=HTTP).parsebytes(head + request.body)
    parts = message.iter_parts()
    return [bytes(p.get_content()) for p in parts if p.get_param("name", header="content-disposition") == "file"]


def upright_rgb(encoded: bytes, *, turns: bool = True) -> Image.Image:
    """Decode as the design says: upright, alpha over white, 16 bits narrowed."""
    try:
        image = Image.open(io.BytesIO(encoded))
        if image.width * image.height > MAX_PIXELS:
            raise Refusal(413, "image_too_large", f"{image.width}×{image.height} px")
        image.load()
        image = ImageOps.exif_transpose(image) if turns else image
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, Image.DecompressionBombError):
            raise Refusal(413, "image_too_large", "too many pixels") from error
        raise Refusal(400, "image_undecodable", "The body is no image that can be decoded.") from error
    if image.mode == "I;16":
        image = Image.frombytes("L", image.size, image.tobytes()[1::2])
    if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
        flat = Image.new("RGBA", image.size, (255, 255, 255, 255))
        flat.alpha_composite(image.convert("RGBA"))
        image = flat
    return image.convert("RGB")


def exchange_red_and_blue(pixels: bytes) -> bytes:
    swapped = bytearray(pixels)
    swapped[0::3], swapped[2::3] = pixels[2::3], pixels[0::3]
    return bytes(swapped)


def classify(encoded: bytes, faults: Faults) -> list[float]:
    image = upright_rgb(encoded, turns=faults.turns)
    small = faults.resize(image) if faults.resize else image.resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR)
    pixels = faults.pixels(small.tobytes()) if faults.pixels else small.tobytes()
    features = [(value / 255 - faults.mean) / 0.5 for value in pixels]
    logits = [sum(w * x for w, x in zip(row, features, strict=True)) for row in WEIGHTS]
    powers = [math.exp(logit - max(logits)) for logit in logits]
    return [power / sum(powers) for power in powers]


def scores(vector: list[float], labels: list[str], top_k: int) -> list[dict[str, object]]:
    order = sorted(range(len(vector)), key=lambda index: -vector[index])[:top_k]
    return [{"class_id": index, "label": labels[index], "probability": vector[index]} for index in order]


def golden_image(seed: int) -> bytes:
    """Blocks, a gradient and fine stripes in every colour, different for each seed."""
    noise = random.Random(seed)  # noqa: S311 - the same image every time
    image = Image.linear_gradient("L").resize((96, 72)).convert("RGB")
    draw = ImageDraw.Draw(image)
    for _ in range(6):
        x, y = noise.randrange(80), noise.randrange(60)
        colour = tuple(noise.randrange(256) for _ in range(3))
        draw.rectangle((x, y, x + noise.randrange(8, 40), y + noise.randrange(8, 40)), fill=colour)
    for x in range(noise.randrange(40), 96, 3):
        draw.line((x, 0, x, 71), fill=tuple(noise.randrange(256) for _ in range(3)))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


GOLDEN = {f"golden-{seed}.png": golden_image(seed) for seed in range(4)}
MODEL = {"name": "stand-in", "sha256": "5" * 64}
STAGES_MS = {"decode": 0.5, "queue": 0.1, "inference": 0.2, "total": 0.8}
MODEL_ID = ModelId(**MODEL)


# What the service says of itself; a test of the service holds that it is up to date.
OPENAPI = json.loads((Path(__file__).parents[3] / "apps/serve/openapi.json").read_text(encoding="utf-8"))


class Server(ThreadingHTTPServer):
    """The standard library's server with room for as many callers at once as a load brings."""

    request_queue_size = 256
    daemon_threads = True


class StandIn:
    """A service on a free port of loopback that speaks imgcls' HTTP contract."""

    def __init__(self, faults: Faults, *, port: int = 0) -> None:
        self.faults, self.port = faults, port
        self.requests: list[Request] = []
        self.lock = threading.Lock()
        self.predicting = self.binary_head = 0
        self.last_vector: list[float] = []
        self.server = Server(("127.0.0.1", self.port), self.handler())
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> StandIn:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def paths(self) -> list[str]:
        return [request.path for request in self.requests]

    def handler(self) -> type[BaseHTTPRequestHandler]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Nagle's algorithm and delayed acknowledgements would add 40 ms to each small answer.
            disable_nagle_algorithm = True
            wbufsize = 1 << 16

            def log_message(self, format: str, *args: object) -> None:
                pass

            def answer(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                split = urlsplit(self.path)
                request = Request(
                    method=self.command,
                    path=split.path,
                    query={name: values[0] for name, values in parse_qs(split.query).items()},
                    headers={name.lower(): value for name, value in self.headers.items()},
                    body=self.rfile.read(length),
                    peer=self.client_address,
                )
                request_id = request.headers.get("x-request-id", "id-0001") if service.faults.request_id else "other"
                with service.lock:
                    service.requests.append(request)
                headers: dict[str, str] = {}
                try:
                    status, media = 200, "application/json"
                    routed = service.faults.router(service, request) if service.faults.router else request
                    if isinstance(routed, Request):
                        request_id = routed.headers["x-request-id"] if service.faults.router else request_id
                        document = service.answer(routed, request_id)
                    else:
                        document = routed
                except Refusal as refusal:
                    status, media, headers = refusal.status, "application/problem+json", refusal.headers
                    document = {**refusal.problem(request_id), "detail": service.faults.detail(refusal.detail)}
                body = json.dumps(document).encode() if isinstance(document, dict) else document
                if isinstance(document, bytes):
                    headers["inference-header-content-length"] = str(service.binary_head)
                self.send_response(status)
                for name, value in {"content-type": media, "x-request-id": request_id, **headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(b"" if self.command == "HEAD" else body)

            do_GET = do_POST = do_HEAD = do_OPTIONS = answer  # noqa: N815 - names of the standard library

        return Handler

    def answer(self, request: Request, request_id: str) -> dict[str, object] | bytes:
        if (
            self.faults.api_key
            and request.headers.get(self.faults.api_key_header, "").removeprefix("Bearer ") != self.faults.api_key
        ):
            raise Refusal(401, "unauthorized", "The key is missing or wrong.")
        with self.lock:
            self.predicting += request.path == "/predict"
        try:
            if self.faults.answer_before:
                self.faults.answer_before(self, request)
            return self.route(request, request_id)
        finally:
            with self.lock:
                self.predicting -= request.path == "/predict"

    def route(self, request: Request, request_id: str) -> dict[str, object] | bytes:
        routes: dict[tuple[str, str], Callable[[], dict[str, object] | bytes]] = {
            ("POST", "/predict"): lambda: self.predict(request, request_id),
            ("POST", "/predict/batch"): lambda: self.predict_batch(request, request_id),
            ("GET", "/health"): self.health,
            ("GET", "/ready"): self.ready,
            ("GET", "/golden"): self.golden,
            ("GET", "/models"): self.models,
            ("GET", "/openapi.json"): lambda: OPENAPI,
            ("HEAD", "/health"): self.health,
            ("GET", "/v2/health/live"): lambda: {"live": True},
            ("GET", f"/v2/models/{MODEL['name']}"): lambda: {"inputs": [{"name": "images", "datatype": "UINT8"}]},
            ("POST", f"/v2/models/{MODEL['name']}/infer"): lambda: self.infer(request),
            ("GET", f"/v2/models/{MODEL['name']}/ready"): lambda: {"ready": True},
        }
        if self.faults.drift is not None:
            drift = self.faults.drift
            routes["GET", f"/models/{MODEL['name']}/drift"] = lambda: drift
        route = routes.get((request.method, request.path))
        if route is None:
            admin = request.path.endswith(("/load", "/default"))
            if admin and request.headers.get("x-admin-token") != self.faults.admin_token:
                raise Refusal(403, "forbidden", "This route needs the admin token.")
            if request.path in {path for _, path in routes}:
                raise Refusal(405, "method_not_allowed", f"{request.path} has no {request.method}.")
            raise Refusal(404, "not_found", f"There is no route {request.path}.")
        return route()

    def health(self) -> dict[str, object]:
        return msgspec.to_builtins(
            HealthReply(
                status="ok",
                model=HealthModel(MODEL["name"], MODEL["sha256"], classes=len(LABELS), sealed=True, seal="6" * 64),
                provider="cpu",
                provider_reason="no driver",
                gpu=Gpu(present=False, reason="no driver"),
                memory={},
                disk={},
                uptime_s=12.5,
                versions={"imgcls-serve": "0.1.0"},
            )
        )

    def models(self) -> dict[str, object]:
        only = ModelReply(
            name=MODEL_ID.name,
            loaded=True,
            default=True,
            sha256=MODEL_ID.sha256,
            artifact_name="stand-in",
            architecture="linear",
            precision="fp32",
            classes=len(LABELS),
            input_size=[SIDE_PX, SIDE_PX],
            decode="exact",
            provider="cpu",
            sealed=True,
            seal="6" * 64,
            signed_by=(),
            accuracy=self.faults.accuracy,
            memory_bytes=3_100_000,
        )
        return msgspec.to_builtins(ModelsReply(default=only.name, models=[only]))

    def ready(self) -> dict[str, object]:
        if not self.faults.is_ready:
            raise Refusal(503, "not_ready", "The model is still loading.")
        return msgspec.to_builtins(ReadyReply(ready=True, model=MODEL_ID, provider="cpu"))

    def golden(self) -> dict[str, object]:
        cases: list[GoldenCaseReply] = []
        for name, image in GOLDEN.items():
            top = msgspec.convert(scores(classify(image, Faults()), LABELS, 5), list[ClassProbability])
            exchanged = scores(classify(image, Faults(pixels=exchange_red_and_blue)), LABELS, 5)
            faulty = msgspec.convert({"fault": "channels_exchanged", "top": exchanged}, Counterfactual)
            encoded = base64.b64encode(image).decode()
            cases.append(GoldenCaseReply(name, encoded, top, expected_class_id=None, counterfactuals=(faulty,)))
        return msgspec.to_builtins(GoldenReply(MODEL_ID, "fp32", 1e-4, cases))

    def predict(self, request: Request, request_id: str) -> dict[str, object]:
        if len(request.body) > MAX_BYTES:
            raise Refusal(413, "body_too_large", "The body is above 20 MB.")
        asked = request.query.get("top_k", "5")
        top_k = int(asked) if asked.isdecimal() else 0
        if not 1 <= top_k <= len(LABELS):
            raise Refusal(422, "invalid_parameter", f"top_k is {top_k}; it can be 1 to {len(LABELS)}.")
        if request.query.get("model", MODEL["name"]) != MODEL["name"]:
            raise Refusal(404, "unknown_model", "There is no such model.")
        try:
            vector = classify(self.image_of(request), self.faults)
            vector = self.faults.vector(self, vector) if self.faults.vector else vector
        except Refusal:
            if not self.faults.accepts_garbage:
                raise
            vector = [1 / len(LABELS)] * len(LABELS)
        top = scores(vector, self.faults.labels, top_k)
        document: dict[str, object] = {**top[0], "top": top, "model": MODEL, "batch_size": 1, "request_id": request_id}
        document["timing_ms"] = STAGES_MS
        if request.query.get("probabilities") == "true":
            document["probabilities"] = vector
        return document

    def infer(self, request: Request) -> dict[str, object] | bytes:
        length = int(request.headers.get("inference-header-content-length", len(request.body)))
        asked, packed = json.loads(request.body[:length]), request.body[length:]
        tensor = asked["inputs"][0]
        images: list[bytes] = []
        if tensor["name"] == "images":
            count, height, width, _ = tensor["shape"]
            pixels, size = packed or bytes(tensor["data"]), height * width * 3
            for start in range(0, count * size, size):
                buffer = io.BytesIO()
                Image.frombytes("RGB", (width, height), pixels[start : start + size]).save(buffer, "PNG")
                images.append(buffer.getvalue())
        elif packed:
            while packed:
                (size,) = struct.unpack_from("<I", packed)
                images.append(packed[4 : 4 + size])
                packed = packed[4 + size :]
        else:
            images = [base64.b64decode(each) for each in tensor["data"]]
        vectors = [classify(image, self.faults) for image in images]
        output: dict[str, object] = {"name": "probabilities", "datatype": "FP32", "shape": [len(images), len(LABELS)]}
        values = [value for vector in vectors for value in vector]
        if "parameters" not in asked:
            return {"outputs": [{**output, "data": values}]}
        head = json.dumps({"outputs": [output]}).encode()
        self.binary_head = len(head)
        return head + struct.pack(f"<{len(values)}f", *values)

    def predict_batch(self, request: Request, request_id: str) -> dict[str, object]:
        results: list[dict[str, object]] = []
        is_json = request.headers["content-type"] == "application/json"
        entries: list[dict[str, str]] = json.loads(request.body)["images"] if is_json else []
        for image in [base64.b64decode(each["image_base64"]) for each in entries] or files_of(request):
            raw = replace(request, headers={"content-type": "image/png"}, body=image)
            try:
                answer = self.predict(raw, request_id)
                answer["timing_ms"] = {stage: STAGES_MS[stage] for stage in ("decode", "queue", "inference")}
                results.append({name: value for name, value in answer.items() if name not in {"model", "request_id"}})
            except Refusal as refusal:
                problem = refusal.problem(request_id)
                results.append({"error": {name: problem[name] for name in problem if name != "request_id"}})
        return {"results": results, "model": MODEL, "total_ms": 3.5, "request_id": request_id}

    def image_of(self, request: Request) -> bytes:
        media = request.headers.get("content-type", "")
        if media.startswith("multipart/form-data"):
            files = files_of(request)
            if not files:
                raise Refusal(422, "invalid_parameter", "The form has no field `file`.")
            return files[0]
        if media == "application/json":
            if b"image_url" in request.body and self.faults.fetches_addresses:
                return GOLDEN["golden-0.png"]
            try:
                return base64.b64decode(json.loads(request.body)["image_base64"], validate=True)
            except (ValueError, KeyError) as error:
                raise Refusal(422, "invalid_base64", "image_base64 is not base64.") from error
        if media and not media.startswith(("image/", "application/octet-stream")):
            raise Refusal(415, "unsupported_media_type", f"{media} is no image.")
        return request.body
