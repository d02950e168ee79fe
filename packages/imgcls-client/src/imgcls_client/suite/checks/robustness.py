"""What does the deployment do with images and requests that are wrong, or right but unusual?"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from imgcls_contract import PROBLEM_MEDIA_TYPE, ProblemDocument

from imgcls_client.http.answers import HttpAnswer, refusal
from imgcls_client.http.calls import Call, predict_call
from imgcls_client.suite.check import CheckFailedError, CheckGroup, require
from imgcls_client.suite.deployment import Deployment, packaged_image

GROUP = CheckGroup("robustness")
# One mebibyte above the default limit of 20 MB, in a format whose first bytes are an image's.
_OVERSIZE_BYTES = 21 * 2**20


def require_problem(answer: HttpAnswer, *, status: tuple[int, ...], code: tuple[str, ...]) -> None:
    """Requires a refusal of one of these kinds, with a complete problem body.

    Raises:
        CheckFailedError: another status or code, or a body that is no problem document.
    """
    allowed = " or ".join(str(each) for each in status)
    require(answer.status in status, f"answered {describe(answer)}, expected {allowed} {' or '.join(code)}")
    media_type = answer.headers.get("content-type", "")
    require(
        media_type.split(";")[0].strip() == PROBLEM_MEDIA_TYPE,
        f"answered {answer.status} as {media_type or 'nothing'}, expected {PROBLEM_MEDIA_TYPE}",
    )
    try:
        problem = msgspec.json.decode(answer.body, type=ProblemDocument)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CheckFailedError(f"answered {answer.status} with a body that is no problem document: {error}") from error
    require(problem.code in code, f"answered {answer.status} {problem.code}, expected the code {' or '.join(code)}")


def describe(answer: HttpAnswer) -> str:
    """Names an answer's status and code."""
    return str(answer.status) if answer.status < 400 else f"{answer.status} {refusal(answer).code}"


def _refused(make: Callable[[], Call], status: int | tuple[int, ...], *code: str) -> Callable[[Deployment], str]:
    """Makes a check that a call is refused in a certain way and that the service is healthy afterwards."""
    statuses = status if isinstance(status, tuple) else (status,)

    def run(deployment: Deployment) -> str:
        answer = deployment.exchange(make())
        require_problem(answer, status=statuses, code=code)
        health = deployment.exchange(Call("GET", "/health"))
        require(health.status == 200, f"/health answers {health.status} after it")
        return f"{describe(answer)}, healthy afterwards"

    return run


def _answered(name: str, *, file_name: str = "image") -> Callable[[Deployment], str]:

    def run(deployment: Deployment) -> str:
        way = "raw" if file_name == "image" else "multipart"
        answer = deployment.exchange(predict_call(packaged_image(name), sent_as=way, file_name=file_name))
        require(answer.status == 200, f"answered {describe(answer)}, expected 200")
        return f"answered in {answer.call_ms:.0f} ms"

    return run


def _as_jpeg(body: bytes) -> Call:
    return predict_call(body, media_type="image/jpeg")


def _as_json(document: str) -> Call:
    return Call("POST", "/predict", headers={"content-type": "application/json"}, body=document.encode())


def _truncated() -> Call:
    whole = packaged_image("image.jpg")
    return _as_jpeg(whole[: len(whole) // 2])


def _corrupt() -> Call:
    whole = packaged_image("image.png")
    middle = len(whole) // 3
    return predict_call(whole[:middle] + b"\x55" * 2000 + whole[middle + 2000 :])


def _wrong_media_type() -> Call:
    return predict_call(packaged_image("image.png"), media_type="text/plain")


def _form_without_file() -> Call:
    body = b'--x\r\nContent-Disposition: form-data; name="other"\r\n\r\nnothing\r\n--x--\r\n'
    return Call("POST", "/predict", headers={"content-type": "multipart/form-data; boundary=x"}, body=body)


def _with_top_k(value: str) -> Call:
    image = packaged_image("image.png")
    return Call("POST", "/predict", params={"top_k": value}, headers={"content-type": "image/png"}, body=image)


_UNDECODABLE = (400, "image_undecodable")


GROUP.add("empty_body", "An empty body is refused.", _refused(lambda: _as_jpeg(b""), *_UNDECODABLE))
GROUP.add(
    "text_as_image",
    "A text file is not classified.",
    _refused(lambda: _as_jpeg(b"This is not an image.\n" * 50), *_UNDECODABLE),
)
GROUP.add("truncated_image", "Half an image is not classified.", _refused(_truncated, *_UNDECODABLE))
GROUP.add("corrupt_image", "A damaged image is not classified.", _refused(_corrupt, *_UNDECODABLE))
GROUP.add(
    "wrong_media_type",
    "A media type that is no image is refused.",
    _refused(_wrong_media_type, 415, "unsupported_media_type"),
)
GROUP.add(
    "huge_dimensions",
    "A small file with 400 million pixels is refused before it takes the memory.",
    _refused(lambda: predict_call(packaged_image("huge_dimensions.png")), 413, "image_too_large"),
)
GROUP.add(
    "oversize_body",
    "A body above the limit of 20 MB is refused.",
    _refused(lambda: _as_jpeg(b"\xff\xd8\xff" + bytes(_OVERSIZE_BYTES)), 413, "body_too_large", "image_too_large"),
)
GROUP.add(
    "bad_base64",
    "Text that is not base64 is refused.",
    _refused(lambda: _as_json('{"image_base64": "not base64!"}'), 422, "invalid_base64"),
)
GROUP.add(
    "base64_of_text",
    "Base64 of something else than an image is refused.",
    _refused(lambda: predict_call(b"not an image", sent_as="base64"), *_UNDECODABLE),
)
GROUP.add(
    "broken_json",
    "A body that is not JSON although it says so is refused.",
    _refused(lambda: _as_json('{"image_base64": '), (400, 422), "invalid_parameter", "invalid_base64"),
)
GROUP.add(
    "form_without_file",
    "A form without the field `file` is refused.",
    _refused(_form_without_file, (400, 422), "invalid_parameter", "image_undecodable"),
)
GROUP.add("top_k_zero", "top_k=0 is refused.", _refused(lambda: _with_top_k("0"), 422, "invalid_parameter"))
GROUP.add(
    "top_k_beyond_classes",
    "More classes than there are is refused.",
    _refused(lambda: _with_top_k("1000000"), 422, "invalid_parameter"),
)
GROUP.add(
    "unknown_model",
    "A model that is not there is refused.",
    _refused(lambda: predict_call(packaged_image("image.png"), model="no-such-model"), 404, "unknown_model"),
)
GROUP.add("one_pixel", "An image of one pixel gets an answer.", _answered("one_pixel.png"))
GROUP.add(
    "unusual_file_name",
    "File names in any script are no obstacle.",
    _answered("image.png", file_name='蝾螈 "ñandú" 🐢.png'),
)


@GROUP.check("After all that the service is ready and answers.")
def _still_ready(deployment: Deployment) -> str:
    """Asks an image again after all that, once the bad input is over."""
    require(deployment.client.ready().ready, "/ready says no after the bad input")
    deployment.client.predict(packaged_image("image.png"))
    return "ready, and answers"
