"""Does an image get the same answer whichever way it is asked about?"""

from __future__ import annotations

import json
import random
import struct
import zlib
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from imgcls_contract.faults import answer_distance
from imgcls_sdk.answers import TimedPrediction, read_batch, read_prediction, refusal
from imgcls_sdk.calls import Call, SentAs, batch_call, predict_call
from imgcls_sdk.errors import RefusedError
from imgcls_sdk.inference_protocol import RgbPixels, encoded_infer_call, pixels_infer_call, read_probabilities

from imgcls_client.predict.image_sources import find_images
from imgcls_client.suite.check import CheckGroup, CheckSkippedError, Run, require
from imgcls_client.suite.checks.comparison import (
    SAME_PIXELS_TOLERANCE,
    TELLS_APART,
    by_class,
    explanation,
    shorten,
    vector_difference,
    whole,
)
from imgcls_client.suite.deployment import Deployment, packaged_image

GROUP = CheckGroup("paths")
_CALLS_AT_ONCE = 16
_ROUNDS = 8
_OWN_IMAGES = ("image.png", "kinds/gray.png", "kinds/hole.png", "turned_untagged.jpg")
# Sides of the image that goes as a tensor: small, because JSON writes it as numbers.
_TENSOR_PX = (24, 20)
Answers = Sequence[Mapping[int, float]]


def _known(deployment: Deployment) -> dict[str, tuple[bytes, list[float]]]:
    """Gives images with their whole vectors, which the checks of correctness compare with PyTorch's."""
    if deployment.golden.cases:
        answers = zip(deployment.golden.cases, deployment.golden_answers, strict=True)
        return {case.name: (case.image, whole(answer)) for case, answer in answers}
    images = {name: packaged_image(name) for name in _OWN_IMAGES}
    return {name: (image, whole(deployment.vector(image))) for name, image in images.items()}


def _compared(ask: Callable[[Deployment, list[bytes]], Answers]) -> Run:
    """Makes a check that every known image gets its answer on another path.

    Args:
        ask: gives class id → probability of each image, of all classes or of the most probable ones.
    """

    def run(deployment: Deployment) -> str:
        known = _known(deployment)
        answers = ask(deployment, [image for image, _ in known.values()])
        require(len(answers) == len(known), f"{len(answers)} answers came for {len(known)} images")
        distances = {
            name: answer_distance(dict(enumerate(vector)) if len(answer) == len(vector) else _top_of(vector), answer)
            for (name, (_, vector)), answer in zip(known.items(), answers, strict=True)
        }
        wrong = [f"{name}: {found:.2g}" for name, found in distances.items() if not found <= SAME_PIXELS_TOLERANCE]
        cases = deployment.golden.cases
        why = explanation(cases, answers, tolerance=deployment.golden.tolerance) if cases else ""
        require(
            not wrong,
            f"{len(wrong)} of {len(known)} answers differ from those of /predict with the whole vector: "
            f"{shorten(wrong)}{why}",
        )
        return f"{len(known)} answers, max |Δp| {max(distances.values()):.1g}"

    return run


def _top_of(vector: Sequence[float]) -> dict[int, float]:
    return {max(range(len(vector)), key=vector.__getitem__): max(vector)}


def _one_by_one(ask: Callable[[Deployment, bytes], Mapping[int, float]]) -> Run:
    return _compared(lambda deployment, images: [ask(deployment, image) for image in images])


def _sent(sent_as: SentAs) -> Run:
    def ask(deployment: Deployment, image: bytes) -> Mapping[int, float]:
        return by_class(deployment.predict(image, sent_as=sent_as).top)

    return _one_by_one(ask)


@GROUP.check("As many classes come as were asked for, and they are the vector's.")
def _top_k(deployment: Deployment) -> str:
    known = _known(deployment)
    asked = sorted({1, 2, min(7, classes := len(next(iter(known.values()))[1])), classes})
    for name, (image, vector) in known.items():
        best = sorted(range(classes), key=lambda each: -vector[each])
        for top_k in asked:
            top = deployment.predict(image, top_k=top_k).top
            require(len(top) == top_k, f"top_k={top_k} gave {len(top)} classes")
            found = answer_distance({each: vector[each] for each in best[:top_k]}, by_class(top))
            require(found <= SAME_PIXELS_TOLERANCE, f"top_k={top_k} of {name} is {found:.2g} away from the vector")
            ordered = [each.probability for each in top]
            require(ordered == sorted(ordered, reverse=True), f"top_k={top_k} of {name} is not sorted, best first")
    return f"top_k {', '.join(map(str, asked))} of {len(known)} images"


def _batch(deployment: Deployment, images: list[bytes]) -> Answers:
    """Sends images in one form with something in their middle that is none."""
    middle = len(images) // 2
    sent = [*images[:middle], b"no image", *images[middle:]]
    answer = deployment.client.send(batch_call(sent, model=deployment.model))
    return _without_middle(read_batch(answer, len(sent)), middle)


def _batch_json(deployment: Deployment, images: list[bytes]) -> Answers:
    middle = len(images) // 2
    sent = [*images[:middle], b"no image", *images[middle:]]
    body = json.dumps({"images": [{"image_base64": b64encode(image).decode()} for image in sent]}).encode()
    form = batch_call([], model=deployment.model)
    call = replace(form, headers={"content-type": "application/json"}, body=body)
    return _without_middle(read_batch(deployment.client.send(call), len(sent)), middle)


def _without_middle(results: Sequence[TimedPrediction | RefusedError], middle: int) -> Answers:
    bad = [at for at, each in enumerate(results) if isinstance(each, RefusedError)]
    require(bad == [middle], f"slots {bad} are refused, but slot {middle} alone was no image")
    return [by_class(each.top) for each in results if isinstance(each, TimedPrediction)]


@GROUP.check("A data URI means the same as a raw body.")
def _data_uri(deployment: Deployment) -> str:
    image = packaged_image("image.png")
    body = json.dumps({"image_base64": f"data:image/png;base64,{b64encode(image).decode()}"}).encode()
    call = replace(predict_call(image, model=deployment.model), headers={"content-type": "application/json"}, body=body)
    answer = deployment.exchange(call)
    if answer.status == 422 and refusal(answer).code == "invalid_base64":
        raise CheckSkippedError("data URIs are not taken here, and are refused")
    require(answer.status == 200, f"answered {answer.status}")
    return _same(deployment, image, by_class(read_prediction(answer).top))


@GROUP.check("An address means the same as the image at it.")
def _image_url(deployment: Deployment) -> str:
    if deployment.options.image_url is None:
        raise CheckSkippedError("no --image-url given: the address of an image that the service and this client reach")
    (source,) = find_images([deployment.options.image_url])
    body = json.dumps({"image_url": deployment.options.image_url}).encode()
    call = replace(predict_call(b"", model=deployment.model), headers={"content-type": "application/json"}, body=body)
    answer = deployment.exchange(call)
    if answer.status == 422 and refusal(answer).code == "url_refused":
        raise CheckSkippedError(refusal(answer).detail)
    require(answer.status == 200, f"answered {answer.status} {refusal(answer).code if answer.status >= 400 else ''}")
    return _same(deployment, source.read(), by_class(read_prediction(answer).top))


def _same(deployment: Deployment, image: bytes, actual: Mapping[int, float]) -> str:
    found = answer_distance(_top_of(whole(deployment.vector(image))), actual)
    require(found <= SAME_PIXELS_TOLERANCE, f"is {found:.2g} away from the answer of the same image sent raw")
    return f"max |Δp| {found:.1g}"


def _v2_encoded(*, is_binary: bool) -> Run:
    def ask(deployment: Deployment, images: list[bytes]) -> Answers:
        _require_v2(deployment)
        call = encoded_infer_call(images, deployment.identity.name, is_binary=is_binary)
        return [dict(enumerate(vector)) for vector in read_probabilities(deployment.client.send(call))]

    return _compared(ask)


def _v2_pixels(*, is_binary: bool) -> Run:
    def run(deployment: Deployment) -> str:
        _require_v2(deployment)
        images = [_drawn(seed) for seed in (1, 2, 3)]
        expected = [whole(deployment.vector(_as_png(image))) for image in images]
        call = pixels_infer_call(images, deployment.identity.name, is_binary=is_binary)
        actual = read_probabilities(deployment.client.send(call))
        require(len(actual) == len(images), f"{len(actual)} answers came for {len(images)} images")
        found = max(vector_difference(*pair) for pair in zip(expected, actual, strict=True))
        require(found <= SAME_PIXELS_TOLERANCE, f"pixels are answered {found:.2g} away from the same pixels as PNG")
        return f"{len(images)} answers, max |Δp| {found:.1g}"

    return run


def _require_v2(deployment: Deployment) -> None:
    if deployment.exchange(Call("GET", "/v2/health/live")).status == 404:
        raise CheckSkippedError("there are no /v2 routes here")


def _drawn(seed: int) -> RgbPixels:
    """Draws coarse blocks of colours."""
    dice = random.Random(seed)  # noqa: S311 - the same image every time
    width, height = _TENSOR_PX
    blocks = [[dice.randbytes(3) for _ in range(width // 4)] for _ in range(height // 4)]
    rows = [b"".join(colour * 4 for colour in row) for row in blocks for _ in range(4)]
    return RgbPixels(width, height, b"".join(rows))


def _as_png(image: RgbPixels) -> bytes:
    """Encodes pixels as PNG, which needs nothing but deflate."""
    row = 3 * image.width
    lines = b"".join(b"\0" + image.rgb[start : start + row] for start in range(0, len(image.rgb), row))
    head = struct.pack(">IIBBBBB", image.width, image.height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    packed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


@GROUP.check("Under load every caller gets the answer to their own image.")
def _answers_not_crossed(deployment: Deployment) -> str:
    """Asks for different images at once and compares each answer with the one it gets alone."""
    images = {name: image for name, (image, _) in _known(deployment).items()}
    images |= {name: packaged_image(name) for name in _OWN_IMAGES}
    alone = {name: whole(deployment.vector(image)) for name, image in images.items()}
    questions = [name for _ in range(_ROUNDS) for name in images]
    with ThreadPoolExecutor(_CALLS_AT_ONCE) as threads:
        answers = list(threads.map(deployment.vector, [images[name] for name in questions]))
    crossed: list[str] = []
    for name, answer in zip(questions, answers, strict=True):
        if vector_difference(whole(answer), alone[name]) > TELLS_APART:
            whose = [other for other in images if vector_difference(whole(answer), alone[other]) <= TELLS_APART]
            crossed.append(f"{name} got the answer of {whose[0] if whose else 'nobody'}")
    count = len(questions)
    require(not crossed, f"{len(crossed)} of {count} answers under load differ: {shorten(sorted(set(crossed)))}")
    return f"{count} answers, {_CALLS_AT_ONCE} at once, each as when asked alone"


GROUP.add("plain", "Without the vector the answer is the same.", _sent("raw"))
GROUP.add("multipart", "A form means the same as a raw body.", _sent("multipart"))
GROUP.add("base64", "Base64 in JSON means the same as a raw body.", _sent("base64"))
GROUP.add("batch", "In a batch each image gets its own answer, beside one that is bad.", _compared(_batch))
GROUP.add("batch_json", "In a batch as JSON, too.", _compared(_batch_json))
GROUP.add("v2_encoded", "The Open Inference Protocol answers alike.", _v2_encoded(is_binary=False))
GROUP.add("v2_encoded_binary", "Its binary extension, too.", _v2_encoded(is_binary=True))
GROUP.add("v2_pixels", "RgbPixels are answered as the same pixels in a file.", _v2_pixels(is_binary=False))
GROUP.add("v2_pixels_binary", "In the binary extension, too.", _v2_pixels(is_binary=True))
