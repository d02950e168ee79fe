"""Can the deployment be used by those who should not, or made to tell what it should not?"""

from __future__ import annotations

import json

from imgcls_sdk.answers import HttpAnswer
from imgcls_sdk.calls import OPENAPI, Call, predict_call

from imgcls_client.suite.check import CheckGroup, CheckSkippedError, require
from imgcls_client.suite.checks.robustness import describe
from imgcls_client.suite.deployment import Deployment, packaged_image

GROUP = CheckGroup("security")
_WRONG_KEY = "imgcls-suite-wrong-key"
_DENIED = frozenset({401, 403})
# Addresses that lead to the machine itself, its network, its cloud's credentials and its files.
_INTERNAL_ADDRESSES = (
    "http://127.0.0.1:8192/health",
    "http://localhost/",
    "http://[::1]/",
    "http://169.254.169.254/latest/meta-data/",
    "http://10.0.0.1/",
    "file:///etc/passwd",
)
# What only the inside of a Python service says.
_INTERNALS = ("Traceback (most recent call last)", 'File "/', "/site-packages/", "onnxruntime::", '.py", line')


def _denied_to(deployment: Deployment, key: str | None, whose: str) -> str:
    if not deployment.has_key and not deployment.options.expect_private:
        raise CheckSkippedError(
            "no key given, so the deployment may be open to all; --expect-private makes that a failure"
        )
    with deployment.as_anonymous(key) as anonymous:
        answer = anonymous.exchange(predict_call(packaged_image("image.png")))
    require(answer.status in _DENIED, f"{whose} is answered {describe(answer)}, expected 401 or 403")
    return describe(answer)


@GROUP.check("Without a key nothing is answered.")
def _without_key(deployment: Deployment) -> str:
    return _denied_to(deployment, None, "a caller without a key")


@GROUP.check("With a wrong key nothing is answered.")
def _wrong_key(deployment: Deployment) -> str:
    return _denied_to(deployment, _WRONG_KEY, "a caller with a wrong key")


@GROUP.check("Without the admin token no model can be changed.")
def _admin_closed(deployment: Deployment) -> str:
    """Tries to load a model and to switch to it, without the admin token."""
    seen: list[str] = []
    for path in ("/models/no-such-model/load", "/models/no-such-model/default"):
        call = Call("POST", path, headers={"content-type": "application/json"}, body=b"{}")
        answer = deployment.exchange(call)
        # A service without these routes has nothing to close.
        is_absent = answer.status in {404, 405} and not _knows_route(deployment, path)
        require(
            answer.status in _DENIED or is_absent, f"POST {path} is answered {describe(answer)}, expected 401 or 403"
        )
        seen.append(describe(answer))
    return ", ".join(seen)


def _knows_route(deployment: Deployment, path: str) -> bool:
    """Says whether the service describes an admin route; without a description it is taken to have none."""
    if deployment.exchange(OPENAPI).status != 200:
        return False
    action = path.rsplit("/", 1)[1]
    return any(known.endswith(f"}}/{action}") for known in deployment.described_routes)


@GROUP.check("The service does not fetch from inside its network.")
def _internal_addresses(deployment: Deployment) -> str:
    for address in _INTERNAL_ADDRESSES:
        body = json.dumps({"image_url": address}).encode()
        call = Call("POST", "/predict", headers={"content-type": "application/json"}, body=body)
        answer = deployment.exchange(call)
        # 400 `image_undecodable` would mean that it was fetched.
        fetched = answer.status < 400 or "image_undecodable" in describe(answer)
        require(not fetched, f"image_url {address} was fetched ({describe(answer)})")
        require(answer.status < 500, f"image_url {address} is answered {describe(answer)}")
    return f"{len(_INTERNAL_ADDRESSES)} addresses refused"


def _provoked(deployment: Deployment) -> list[tuple[str, HttpAnswer]]:
    image = packaged_image("image.png")
    calls = {
        "a broken image": predict_call(image[: len(image) // 2]),
        "text as an image": predict_call(b"no image", media_type="image/jpeg"),
        "bad base64": Call(
            "POST", "/predict", headers={"content-type": "application/json"}, body=b'{"image_base64":"*"}'
        ),
        "an unknown model": predict_call(image, model="../../etc/passwd"),
        "a bad top_k": Call(
            "POST", "/predict", params={"top_k": "x"}, headers={"content-type": "image/png"}, body=image
        ),
        "an unknown route": Call("GET", "/no-such-route"),
    }
    return [(what, deployment.exchange(call)) for what, call in calls.items()]


@GROUP.check("Refusals contain no stack traces and no paths.")
def _no_internals(deployment: Deployment) -> str:
    answers = _provoked(deployment)
    for what, answer in answers:
        body = answer.body.decode("utf-8", "replace")
        # In JSON the quotes of a trace are escaped.
        found = [mark for mark in _INTERNALS if mark in body or mark in body.replace('\\"', '"')]
        require(not found, f"the refusal of {what} says {found[0] if found else ''!r}: a trace of the service's inside")
    return f"{len(answers)} refusals tell nothing of the inside"
