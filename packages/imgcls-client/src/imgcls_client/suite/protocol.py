"""Does the deployment speak HTTP and describe itself as the contract says?"""

import re

from imgcls_client.calls import Call, json_document, predict_call, read_answer, refusal
from imgcls_client.json_fields import FieldError, as_object, objects, text
from imgcls_client.suite.check import Check, CheckFailedError, CheckSkippedError, require
from imgcls_client.suite.comparison import shorten
from imgcls_client.suite.deployment import Deployment, packaged_image
from imgcls_client.suite.json_schema import Schema, disagreements
from imgcls_client.suite.robustness import describe, require_problem

__all__ = ["CHECKS"]

GROUP = "protocol"
REQUEST_ID = "imgcls-suite-0a1b2c"
ROUTES = ("/predict", "/health", "/ready", "/golden")


def described_routes(deployment: Deployment) -> dict[str, object]:
    """Give the routes of the service's own description.

    Raises:
        CheckSkippedError: It has no description that can be reached.
    """
    answer = deployment.exchange(Call("GET", "/openapi.json"))
    if answer.status == 404:
        raise CheckSkippedError("there is no /openapi.json here")
    return as_object(deployment.openapi.get("paths"), "paths")


def openapi_reachable(deployment: Deployment) -> str:
    """Find the routes of the contract in the description."""
    paths = described_routes(deployment)
    missing = [route for route in ROUTES if route not in paths]
    require(not missing, f"/openapi.json does not describe {', '.join(missing)}")
    return f"/openapi.json describes {len(paths)} routes"


def answer_schema(paths: dict[str, object], path: str, method: str) -> Schema | None:
    """Find the schema of a route's successful answer."""
    try:
        node = as_object(paths[path], path)
        for key in (method, "responses", "200", "content", "application/json", "schema"):
            node = as_object(node[key], key)
    except (KeyError, FieldError):
        return None
    return node


def openapi_true(deployment: Deployment) -> str:
    """Compare real answers with their descriptions."""
    paths = described_routes(deployment)
    calls = [(path, "get", Call("GET", path)) for path in ("/health", "/ready", "/golden")]
    calls.append(("/predict", "post", predict_call(packaged_image("picture.png"), probabilities=True)))
    compared: list[str] = []
    found: list[str] = []
    for path, method, call in calls:
        schema = answer_schema(paths, path, method)
        if schema is not None:
            compared.append(path)
            found += disagreements(deployment.document(call), schema, deployment.openapi, path)
    require(not found, f"answers differ from /openapi.json: {shorten(found)}")
    require(bool(compared), "/openapi.json describes no successful answer as JSON")
    return f"as described: {', '.join(compared)}"


def v2_metadata(deployment: Deployment) -> str:
    """Ask for the model's metadata in the Open Inference Protocol."""
    paths = described_routes(deployment)
    if not any(re.match(r"/v2/models/\{[^}]+\}$", path) for path in paths):
        raise CheckSkippedError("/openapi.json describes no /v2 routes")
    name = deployment.golden.model.name
    live = deployment.exchange(Call("GET", "/v2/health/live"))
    require(live.status == 200, f"/v2/health/live answers {live.status}")
    metadata = deployment.document(Call("GET", f"/v2/models/{name}"))
    inputs = {text(tensor, "name"): text(tensor, "datatype") for tensor in objects(metadata, "inputs")}
    require(inputs.get("images") == "UINT8", f"/v2/models/{name} has the inputs {inputs}, not `images` as UINT8")
    ready = deployment.exchange(Call("GET", f"/v2/models/{name}/ready"))
    require(ready.status == 200, f"/v2/models/{name}/ready answers {ready.status}")
    return f"{name} takes `images` as UINT8 and is ready"


def request_id_echoed(deployment: Deployment) -> str:
    """Send a request id and look for it in a good answer and in a refusal."""
    for what, call in (
        ("an answer", predict_call(packaged_image("picture.png"))),
        ("a refusal", predict_call(b"no picture", media_type="image/jpeg")),
    ):
        named = Call(call.method, call.path, headers={**call.headers, "x-request-id": REQUEST_ID}, body=call.body)
        answer = deployment.exchange(named)
        found = answer.request_id or ""
        require(bool(found), f"{what} has no X-Request-Id")
        body_id = json_document(answer).get("request_id")
        require(body_id == found, f"{what} has the id {found!r} in its header and {body_id!r} in its body")
        is_known = found == REQUEST_ID or deployment.options.is_behind_router
        require(is_known, f"{what} has the id {found!r} although {REQUEST_ID!r} was sent")
    whose = "the router's" if deployment.options.is_behind_router else "the caller's"
    return f"{whose} id comes back in header, answer and refusal"


def unknown_route(deployment: Deployment) -> str:
    """Ask for a route that is not there."""
    answer = deployment.exchange(Call("GET", "/no-such-route"))
    require_problem(answer, status=(404,), code=("not_found",))
    return describe(answer)


def methods(deployment: Deployment) -> str:
    """Use HEAD, OPTIONS and a wrong method."""
    head = deployment.exchange(Call("HEAD", "/health"))
    require(head.status in {200, 405} and not head.body, f"HEAD /health answers {head.status}, {len(head.body)} bytes")
    options = deployment.exchange(Call("OPTIONS", "/predict"))
    require(options.status < 500, f"OPTIONS /predict answers {options.status}")
    wrong = deployment.exchange(Call("GET", "/predict"))
    require(wrong.status in {404, 405}, f"GET /predict answers {wrong.status}, expected 405")
    return f"HEAD {head.status}, OPTIONS {options.status}, wrong method {wrong.status}"


def models_listed(deployment: Deployment) -> str:
    """Find the golden cases' model among the models."""
    if "/models" not in described_routes(deployment):
        raise CheckSkippedError("/openapi.json does not describe /models")
    answer = deployment.direct.exchange(Call("GET", "/models"))
    if answer.status in {401, 403}:
        raise CheckSkippedError(f"/models needs the admin token ({answer.status})")
    if answer.status >= 400:
        raise CheckFailedError(str(refusal(answer)))
    names = [text(entry, "name") for entry in read_answer(answer, lambda document: objects(document, "models"))]
    name = deployment.golden.model.name
    require(name in names, f"/models lists {', '.join(names) or 'nothing'}, but the default model is {name!r}")
    return f"{len(names)} listed, {name!r} among them"


CHECKS: tuple[Check, ...] = (
    Check(GROUP, "openapi_reachable", "The service describes its routes.", openapi_reachable),
    Check(GROUP, "openapi_true", "Answers are what the description says.", openapi_true),
    Check(GROUP, "v2_metadata", "The Open Inference Protocol knows the model.", v2_metadata),
    Check(GROUP, "models_listed", "The model that answers is listed.", models_listed),
    Check(GROUP, "request_id_echoed", "Every call can be found in the service's log.", request_id_echoed),
    Check(GROUP, "unknown_route", "A route that is not there is a 404 with a problem body.", unknown_route),
    Check(GROUP, "methods", "HEAD, OPTIONS and wrong methods do no harm.", methods),
)
