"""Does the deployment speak HTTP and describe itself as the contract says?"""

from __future__ import annotations

import re

import msgspec
from imgcls_contract import GoldenReply, HealthReply, ModelsReply, ReadyReply
from imgcls_sdk.answers import read, read_prediction, refusal
from imgcls_sdk.calls import HEALTH, MODELS, OPENAPI, READY, Call, golden_call, predict_call
from imgcls_sdk.errors import UnexpectedAnswerError

from imgcls_client.suite.check import CheckFailedError, CheckGroup, CheckSkippedError, require
from imgcls_client.suite.checks.comparison import shorten
from imgcls_client.suite.checks.robustness import describe, require_problem
from imgcls_client.suite.deployment import Deployment, packaged_image

GROUP = CheckGroup("protocol")
_REQUEST_ID = "imgcls-suite-0a1b2c"
_ROUTES = ("/predict", "/health", "/ready", "/golden")


def described_routes(deployment: Deployment) -> dict[str, object]:
    """Gives the routes of the service's own description.

    Raises:
        CheckSkippedError: it has no description that can be reached.
    """
    answer = deployment.exchange(OPENAPI)
    if answer.status == 404:
        raise CheckSkippedError("there is no /openapi.json here")
    return deployment.described_routes


@GROUP.check("The service describes its routes.")
def _openapi_reachable(deployment: Deployment) -> str:
    paths = described_routes(deployment)
    missing = [route for route in _ROUTES if route not in paths]
    require(not missing, f"/openapi.json does not describe {', '.join(missing)}")
    return f"/openapi.json describes {len(paths)} routes"


@GROUP.check("Answers are what the contract says.")
def _contract_kept(deployment: Deployment) -> str:
    image = predict_call(packaged_image("image.png"), probabilities=True)
    wrong: list[str] = []
    for call, reply in ((HEALTH, HealthReply), (READY, ReadyReply), (golden_call(), GoldenReply), (image, None)):
        answer = deployment.client.send(call)
        try:
            read_prediction(answer) if reply is None else read(answer, reply)
        except UnexpectedAnswerError as error:
            wrong.append(f"{call.path}: {error.what}")
    require(not wrong, f"answers differ from the contract: {shorten(wrong)}")
    return "as agreed: /health, /ready, /golden, /predict"


class _WithRequestId(msgspec.Struct):
    """What an answer and a problem document have in common."""

    request_id: str


class _Tensor(msgspec.Struct):
    name: str
    datatype: str


class _Metadata(msgspec.Struct):
    """What is used of a model's metadata in the Open Inference Protocol."""

    inputs: list[_Tensor]


@GROUP.check("The Open Inference Protocol knows the model.")
def _v2_metadata(deployment: Deployment) -> str:
    paths = described_routes(deployment)
    if not any(re.match(r"/v2/models/\{[^}]+\}$", path) for path in paths):
        raise CheckSkippedError("/openapi.json describes no /v2 routes")
    name = deployment.identity.name
    live = deployment.exchange(Call("GET", "/v2/health/live"))
    require(live.status == 200, f"/v2/health/live answers {live.status}")
    metadata = read(deployment.client.send(Call("GET", f"/v2/models/{name}")), _Metadata)
    inputs = {tensor.name: tensor.datatype for tensor in metadata.inputs}
    require(inputs.get("images") == "UINT8", f"/v2/models/{name} has the inputs {inputs}, not `images` as UINT8")
    ready = deployment.exchange(Call("GET", f"/v2/models/{name}/ready"))
    require(ready.status == 200, f"/v2/models/{name}/ready answers {ready.status}")
    return f"{name} takes `images` as UINT8 and is ready"


@GROUP.check("Every call can be found in the service's log.")
def _request_id_echoed(deployment: Deployment) -> str:
    for what, call in (
        ("an answer", predict_call(packaged_image("image.png"))),
        ("a refusal", predict_call(b"no image", media_type="image/jpeg")),
    ):
        named = Call(call.method, call.path, headers={**call.headers, "x-request-id": _REQUEST_ID}, body=call.body)
        answer = deployment.exchange(named)
        found = answer.request_id or ""
        require(bool(found), f"{what} has no X-Request-Id")
        try:
            body_id = msgspec.json.decode(answer.body, type=_WithRequestId).request_id
        except msgspec.DecodeError as error:
            raise CheckFailedError(f"{what} has no id in its body: {error}") from error
        require(body_id == found, f"{what} has the id {found!r} in its header and {body_id!r} in its body")
        is_known = found == _REQUEST_ID or deployment.options.is_behind_router
        require(is_known, f"{what} has the id {found!r} although {_REQUEST_ID!r} was sent")
    whose = "the router's" if deployment.options.is_behind_router else "the caller's"
    return f"{whose} id comes back in header, answer and refusal"


@GROUP.check("A route that is not there is a 404 with a problem body.")
def _unknown_route(deployment: Deployment) -> str:
    answer = deployment.exchange(Call("GET", "/no-such-route"))
    require_problem(answer, "404 not_found")
    return describe(answer)


@GROUP.check("HEAD, OPTIONS and wrong methods do no harm.")
def _methods(deployment: Deployment) -> str:
    """Uses HEAD, OPTIONS and a wrong method."""
    head = deployment.exchange(Call("HEAD", "/health"))
    require(head.status in {200, 405} and not head.body, f"HEAD /health answers {head.status}, {len(head.body)} bytes")
    options = deployment.exchange(Call("OPTIONS", "/predict"))
    require(options.status < 500, f"OPTIONS /predict answers {options.status}")
    wrong = deployment.exchange(Call("GET", "/predict"))
    require(wrong.status in {404, 405}, f"GET /predict answers {wrong.status}, expected 405")
    return f"HEAD {head.status}, OPTIONS {options.status}, wrong method {wrong.status}"


@GROUP.check("The model that answers is listed.")
def _models_listed(deployment: Deployment) -> str:
    if "/models" not in described_routes(deployment):
        raise CheckSkippedError("/openapi.json does not describe /models")
    answer = deployment.exchange(MODELS)
    if answer.status in {401, 403}:
        raise CheckSkippedError(f"/models needs the admin token ({answer.status})")
    if answer.status >= 400:
        raise CheckFailedError(str(refusal(answer)))
    names = [entry.name for entry in read(answer, ModelsReply).models]
    name = deployment.identity.name
    require(name in names, f"/models lists {', '.join(names) or 'nothing'}, but the default model is {name!r}")
    return f"{len(names)} listed, {name!r} among them"
