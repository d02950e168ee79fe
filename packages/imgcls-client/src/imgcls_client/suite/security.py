"""Can the deployment be used by those who should not, or made to tell what it should not?"""

import json

from imgcls_client.calls import Answer, Call, predict_call
from imgcls_client.json_fields import as_object
from imgcls_client.suite.check import Check, CheckSkippedError, require
from imgcls_client.suite.deployment import Deployment, packaged_image
from imgcls_client.suite.robustness import describe

__all__ = ["CHECKS"]

GROUP = "security"
WRONG_KEY = "imgcls-suite-wrong-key"
DENIED = frozenset({401, 403})
# Addresses that lead to the machine itself, its network, its cloud's credentials and its files.
INTERNAL_ADDRESSES = (
    "http://127.0.0.1:8192/health",
    "http://localhost/",
    "http://[::1]/",
    "http://169.254.169.254/latest/meta-data/",
    "http://10.0.0.1/",
    "file:///etc/passwd",
)
# What only the inside of a Python service says.
INTERNALS = ("Traceback (most recent call last)", 'File "/', "/site-packages/", "onnxruntime::", '.py", line')


def denied_to(deployment: Deployment, key: str | None, whose: str) -> str:
    """Require that a call with this key is denied."""
    if not deployment.has_key and not deployment.options.expect_private:
        raise CheckSkippedError(
            "no key given, so the deployment may be open to all; --expect-private makes that a failure"
        )
    with deployment.as_stranger(key) as stranger:
        answer = stranger.exchange(predict_call(packaged_image("picture.png")))
    require(answer.status in DENIED, f"{whose} is answered {describe(answer)}, expected 401 or 403")
    return describe(answer)


def without_key(deployment: Deployment) -> str:
    """Ask without a key."""
    return denied_to(deployment, None, "a caller without a key")


def wrong_key(deployment: Deployment) -> str:
    """Ask with a wrong key."""
    return denied_to(deployment, WRONG_KEY, "a caller with a wrong key")


def admin_closed(deployment: Deployment) -> str:
    """Try to load a model and to switch to it, without the admin token."""
    seen: list[str] = []
    for path in ("/models/no-such-model/load", "/models/no-such-model/default"):
        call = Call("POST", path, headers={"content-type": "application/json"}, body=b"{}")
        answer = deployment.exchange(call)
        # A service without these routes has nothing to close.
        is_absent = answer.status in {404, 405} and not knows_route(deployment, path)
        require(
            answer.status in DENIED or is_absent, f"POST {path} is answered {describe(answer)}, expected 401 or 403"
        )
        seen.append(describe(answer))
    return ", ".join(seen)


def knows_route(deployment: Deployment, path: str) -> bool:
    """Say whether the service describes an admin route; without a description it is taken to have none."""
    if deployment.exchange(Call("GET", "/openapi.json")).status != 200:
        return False
    action = path.rsplit("/", 1)[1]
    paths = as_object(deployment.openapi.get("paths"), "paths")
    return any(known.endswith(f"}}/{action}") for known in paths)


def internal_addresses(deployment: Deployment) -> str:
    """Ask the service to fetch pictures from places that only it can reach."""
    for address in INTERNAL_ADDRESSES:
        body = json.dumps({"image_url": address}).encode()
        call = Call("POST", "/predict", headers={"content-type": "application/json"}, body=body)
        answer = deployment.exchange(call)
        # 400 `image_undecodable` would mean that it was fetched.
        fetched = answer.status < 400 or "image_undecodable" in describe(answer)
        require(not fetched, f"image_url {address} was fetched ({describe(answer)})")
        require(answer.status < 500, f"image_url {address} is answered {describe(answer)}")
    return f"{len(INTERNAL_ADDRESSES)} addresses refused"


def provoked(deployment: Deployment) -> list[tuple[str, Answer]]:
    """Provoke refusals of several kinds."""
    picture = packaged_image("picture.png")
    calls = {
        "a broken picture": predict_call(picture[: len(picture) // 2]),
        "text as a picture": predict_call(b"no picture", media_type="image/jpeg"),
        "bad base64": Call(
            "POST", "/predict", headers={"content-type": "application/json"}, body=b'{"image_base64":"*"}'
        ),
        "an unknown model": predict_call(picture, model="../../etc/passwd"),
        "a bad top_k": Call(
            "POST", "/predict", params={"top_k": "x"}, headers={"content-type": "image/png"}, body=picture
        ),
        "an unknown route": Call("GET", "/no-such-route"),
    }
    return [(what, deployment.exchange(call)) for what, call in calls.items()]


def no_internals(deployment: Deployment) -> str:
    """Read refusals for what only the inside of the service knows."""
    answers = provoked(deployment)
    for what, answer in answers:
        body = answer.body.decode("utf-8", "replace")
        # In JSON the quotes of a trace are escaped.
        found = [mark for mark in INTERNALS if mark in body or mark in body.replace('\\"', '"')]
        require(not found, f"the refusal of {what} says {found[0] if found else ''!r}: a trace of the service's inside")
    return f"{len(answers)} refusals tell nothing of the inside"


CHECKS: tuple[Check, ...] = (
    Check(GROUP, "without_key", "Without a key nothing is answered.", without_key),
    Check(GROUP, "wrong_key", "With a wrong key nothing is answered.", wrong_key),
    Check(GROUP, "admin_closed", "Without the admin token no model can be changed.", admin_closed),
    Check(GROUP, "internal_addresses", "The service does not fetch from inside its network.", internal_addresses),
    Check(GROUP, "no_internals", "Refusals contain no stack traces and no paths.", no_internals),
)
