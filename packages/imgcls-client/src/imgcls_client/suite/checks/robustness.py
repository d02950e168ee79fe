"""What does the deployment do with images and requests that are wrong, or right but unusual?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from imgcls_contract import PROBLEM_MEDIA_TYPE, ProblemDocument
from imgcls_sdk.answers import HttpAnswer, refusal
from imgcls_sdk.calls import HEALTH, Call, predict_call

from imgcls_client.suite.check import CheckFailedError, CheckGroup, Run, require
from imgcls_client.suite.deployment import Deployment, packaged_image

GROUP = CheckGroup("robustness")
# One mebibyte above the default limit of 20 MB, in a format whose first bytes are an image's.
_OVERSIZE_BYTES = 21 * 2**20


def require_problem(answer: HttpAnswer, allowed: str) -> None:
    """Requires a refusal with a complete problem body.

    Args:
        answer: what came.
        allowed: statuses and codes that it may have, as in "400/422 invalid_parameter/invalid_base64".

    Raises:
        CheckFailedError: another status or code, or a body that is no problem document.
    """
    statuses, codes = (part.split("/") for part in allowed.split())
    expected = " or ".join(codes)
    require(str(answer.status) in statuses, f"answered {describe(answer)}, expected {' or '.join(statuses)} {expected}")
    media_type = answer.headers.get("content-type", "")
    require(
        media_type.split(";")[0].strip() == PROBLEM_MEDIA_TYPE,
        f"answered {answer.status} as {media_type or 'nothing'}, expected {PROBLEM_MEDIA_TYPE}",
    )
    try:
        problem = msgspec.json.decode(answer.body, type=ProblemDocument)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CheckFailedError(f"answered {answer.status} with a body that is no problem document: {error}") from error
    require(problem.code in codes, f"answered {answer.status} {problem.code}, expected the code {expected}")


def describe(answer: HttpAnswer) -> str:
    """Names an answer's status and code."""
    return str(answer.status) if answer.status < 400 else f"{answer.status} {refusal(answer).code}"


def _refused(allowed: str, make: Callable[[], Call]) -> Run:
    """Makes a check that a call is refused in a certain way and that the service is healthy afterwards."""

    def run(deployment: Deployment) -> str:
        answer = deployment.exchange(make())
        require_problem(answer, allowed)
        health = deployment.exchange(HEALTH)
        require(health.status == 200, f"/health answers {health.status} after it")
        return f"{describe(answer)}, healthy afterwards"

    return run


def _answered(name: str, *, file_name: str = "image") -> Run:

    def run(deployment: Deployment) -> str:
        way = "raw" if file_name == "image" else "multipart"
        answer = deployment.exchange(predict_call(packaged_image(name), sent_as=way, file_name=file_name))
        require(answer.status == 200, f"answered {describe(answer)}, expected 200")
        return f"answered in {answer.call_ms:.0f} ms"

    return run


def _cut() -> bytes:
    whole = packaged_image("image.jpg")
    return whole[: len(whole) // 2]


def _damaged() -> bytes:
    whole = packaged_image("image.png")
    middle = len(whole) // 3
    return whole[:middle] + b"\x55" * 2000 + whole[middle + 2000 :]


def _jpeg(body: bytes) -> Call:
    return predict_call(body, media_type="image/jpeg")


def _image(**asked: Any) -> Call:  # noqa: ANN401 - what `predict_call` takes
    return predict_call(packaged_image("image.png"), **asked)


def _body(content_type: str, body: bytes) -> Call:
    return Call("POST", "/predict", headers={"content-type": content_type}, body=body)


_TEXT, _HUGE = b"This is not an image.\n" * 50, b"\xff\xd8\xff" + bytes(_OVERSIZE_BYTES)
_FORM = b'--x\r\nContent-Disposition: form-data; name="other"\r\n\r\nnothing\r\n--x--\r\n'
_FORM_TYPE, _JSON = "multipart/form-data; boundary=x", "application/json"
_NO_IMAGE, _BIG, _BAD_FIELD = "400 image_undecodable", "413 body_too_large/image_too_large", "422 invalid_parameter"
# name → what is known when it passes, how it may be refused, the call
_REFUSED: dict[str, tuple[str, str, Callable[[], Call]]] = {
    "empty_body": ("An empty body is refused.", _NO_IMAGE, lambda: _jpeg(b"")),
    "text_as_image": ("A text file is not classified.", _NO_IMAGE, lambda: _jpeg(_TEXT)),
    "truncated_image": ("Half an image is not classified.", _NO_IMAGE, lambda: _jpeg(_cut())),
    "corrupt_image": ("A damaged image is not classified.", _NO_IMAGE, lambda: predict_call(_damaged())),
    "wrong_media_type": (
        *("A media type that is no image is refused.", "415 unsupported_media_type"),
        lambda: _image(media_type="text/plain"),
    ),
    "huge_dimensions": (
        *("A small file with 400 million pixels is refused before it takes the memory.", "413 image_too_large"),
        lambda: predict_call(packaged_image("huge_dimensions.png")),
    ),
    "oversize_body": ("A body above the limit of 20 MB is refused.", _BIG, lambda: _jpeg(_HUGE)),
    "bad_base64": (
        *("Text that is not base64 is refused.", "422 invalid_base64"),
        lambda: _body(_JSON, b'{"image_base64": "not base64!"}'),
    ),
    "base64_of_text": (
        *("Base64 of something else than an image is refused.", _NO_IMAGE),
        lambda: predict_call(b"not an image", sent_as="base64"),
    ),
    "broken_json": (
        *("A body that is not JSON although it says so is refused.", "400/422 invalid_parameter/invalid_base64"),
        lambda: _body(_JSON, b'{"image_base64": '),
    ),
    "form_without_file": (
        *("A form without the field `file` is refused.", "400/422 invalid_parameter/image_undecodable"),
        lambda: _body(_FORM_TYPE, _FORM),
    ),
    "top_k_zero": ("top_k=0 is refused.", _BAD_FIELD, lambda: _image(top_k=0)),
    "top_k_beyond_classes": ("More classes than there are is refused.", _BAD_FIELD, lambda: _image(top_k=1_000_000)),
    "unknown_model": ("A model that is not there is refused.", "404 unknown_model", lambda: _image(model="no-such")),
}
for _name, (_proves, _allowed, _make) in _REFUSED.items():
    GROUP.add(_name, _proves, _refused(_allowed, _make))
GROUP.add("one_pixel", "An image of one pixel gets an answer.", _answered("one_pixel.png"))
_STRANGE = _answered("image.png", file_name='蝾螈 "ñandú" 🐢.png')
GROUP.add("unusual_file_name", "File names in any script are no obstacle.", _STRANGE)


@GROUP.check("After all that the service is ready and answers.")
def _still_ready(deployment: Deployment) -> str:
    """Asks an image again after all that, once the bad input is over."""
    require(deployment.client.ready().ready, "/ready says no after the bad input")
    deployment.client.predict(packaged_image("image.png"))
    return "ready, and answers"
