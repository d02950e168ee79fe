"""What does the deployment do with pictures and requests that are wrong, or right but unusual?"""

import json
from collections.abc import Callable

from imgcls_client.calls import Answer, Call, predict_call, refusal
from imgcls_client.suite.check import Check, CheckFailedError, require
from imgcls_client.suite.deployment import Deployment, packaged_image

__all__ = ["CHECKS", "require_problem"]

GROUP = "robustness"
PROBLEM_MEDIA_TYPE = "application/problem+json"
PROBLEM_FIELDS = ("type", "title", "status", "detail", "code", "request_id")
# One mebibyte above the default limit of 20 MB, in a format whose first bytes are a picture's.
OVERSIZE_BYTES = 21 * 2**20


def require_problem(answer: Answer, *, status: tuple[int, ...], code: tuple[str, ...]) -> None:
    """Require a refusal of one of these kinds, with a complete problem body.

    Raises:
        CheckFailedError: Another status or code, or a body that is no problem document.
    """
    allowed = " or ".join(str(each) for each in status)
    require(answer.status in status, f"answered {describe(answer)}, expected {allowed} {' or '.join(code)}")
    media_type = answer.headers.get("content-type", "")
    require(
        media_type.split(";")[0].strip() == PROBLEM_MEDIA_TYPE,
        f"answered {answer.status} as {media_type or 'nothing'}, expected {PROBLEM_MEDIA_TYPE}",
    )
    try:
        problem: dict[str, object] = json.loads(answer.body)
    except ValueError as error:
        raise CheckFailedError(f"answered {answer.status} with a body that is not JSON") from error
    lacking = [name for name in PROBLEM_FIELDS if name not in problem]
    require(not lacking, f"the problem body lacks {', '.join(lacking)}")
    found = str(problem["code"])
    require(found in code, f"answered {answer.status} {found}, expected the code {' or '.join(code)}")


def describe(answer: Answer) -> str:
    """Name an answer's status and code."""
    return str(answer.status) if answer.status < 400 else f"{answer.status} {refusal(answer).code}"


def refused(make: Callable[[], Call], status: int | tuple[int, ...], *code: str) -> Callable[[Deployment], str]:
    """Make a check that a call is refused in a certain way and that the service is healthy afterwards."""
    statuses = status if isinstance(status, tuple) else (status,)

    def run(deployment: Deployment) -> str:
        answer = deployment.exchange(make())
        require_problem(answer, status=statuses, code=code)
        health = deployment.exchange(Call("GET", "/health"))
        require(health.status == 200, f"/health answers {health.status} after it")
        return f"{describe(answer)}, healthy afterwards"

    return run


def answered(name: str, *, file_name: str = "image") -> Callable[[Deployment], str]:
    """Make a check that an unusual picture gets an answer."""

    def run(deployment: Deployment) -> str:
        way = "raw" if file_name == "image" else "multipart"
        answer = deployment.exchange(predict_call(packaged_image(name), sent_as=way, file_name=file_name))
        require(answer.status == 200, f"answered {describe(answer)}, expected 200")
        return f"answered in {answer.call_ms:.0f} ms"

    return run


def as_jpeg(body: bytes) -> Call:
    """Send bytes that claim to be a JPEG."""
    return predict_call(body, media_type="image/jpeg")


def as_json(document: str) -> Call:
    """Send text that claims to be JSON."""
    return Call("POST", "/predict", headers={"content-type": "application/json"}, body=document.encode())


def truncated() -> Call:
    """Send the first half of a JPEG."""
    whole = packaged_image("picture.jpg")
    return as_jpeg(whole[: len(whole) // 2])


def corrupt() -> Call:
    """Send a PNG whose pixel data are overwritten."""
    whole = packaged_image("picture.png")
    middle = len(whole) // 3
    return predict_call(whole[:middle] + b"\x55" * 2000 + whole[middle + 2000 :])


def wrong_media_type() -> Call:
    """Send a good picture as text."""
    return predict_call(packaged_image("picture.png"), media_type="text/plain")


def form_without_file() -> Call:
    """Send a form that has another field than `file`."""
    body = b'--x\r\nContent-Disposition: form-data; name="other"\r\n\r\nnothing\r\n--x--\r\n'
    return Call("POST", "/predict", headers={"content-type": "multipart/form-data; boundary=x"}, body=body)


def with_top_k(value: str) -> Call:
    """Ask a good picture with a certain top_k."""
    picture = packaged_image("picture.png")
    return Call("POST", "/predict", params={"top_k": value}, headers={"content-type": "image/png"}, body=picture)


def still_ready(deployment: Deployment) -> str:
    """Ask a picture again after all that, once the bad input is over."""
    require(deployment.client.ready().ready, "/ready says no after the bad input")
    deployment.client.predict(packaged_image("picture.png"))
    return "ready, and answers"


UNDECODABLE = (400, "image_undecodable")
CHECKS: tuple[Check, ...] = (
    Check(GROUP, "empty_body", "An empty body is refused.", refused(lambda: as_jpeg(b""), *UNDECODABLE)),
    Check(
        GROUP,
        "text_as_image",
        "A text file is not classified.",
        refused(lambda: as_jpeg(b"This is not a picture.\n" * 50), *UNDECODABLE),
    ),
    Check(GROUP, "truncated_image", "Half a picture is not classified.", refused(truncated, *UNDECODABLE)),
    Check(GROUP, "corrupt_image", "A damaged picture is not classified.", refused(corrupt, *UNDECODABLE)),
    Check(
        GROUP,
        "wrong_media_type",
        "A media type that is no picture is refused.",
        refused(wrong_media_type, 415, "unsupported_media_type"),
    ),
    Check(
        GROUP,
        "huge_dimensions",
        "A small file with 400 million pixels is refused before it takes the memory.",
        refused(lambda: predict_call(packaged_image("huge_dimensions.png")), 413, "image_too_large"),
    ),
    Check(
        GROUP,
        "oversize_body",
        "A body above the limit of 20 MB is refused.",
        refused(lambda: as_jpeg(b"\xff\xd8\xff" + bytes(OVERSIZE_BYTES)), 413, "body_too_large", "image_too_large"),
    ),
    Check(
        GROUP,
        "bad_base64",
        "Text that is not base64 is refused.",
        refused(lambda: as_json('{"image_base64": "not base64!"}'), 422, "invalid_base64"),
    ),
    Check(
        GROUP,
        "base64_of_text",
        "Base64 of something else than a picture is refused.",
        refused(lambda: predict_call(b"not a picture", sent_as="base64"), *UNDECODABLE),
    ),
    Check(
        GROUP,
        "broken_json",
        "A body that is not JSON although it says so is refused.",
        refused(lambda: as_json('{"image_base64": '), (400, 422), "invalid_parameter", "invalid_base64"),
    ),
    Check(
        GROUP,
        "form_without_file",
        "A form without the field `file` is refused.",
        refused(form_without_file, (400, 422), "invalid_parameter", "image_undecodable"),
    ),
    Check(GROUP, "top_k_zero", "top_k=0 is refused.", refused(lambda: with_top_k("0"), 422, "invalid_parameter")),
    Check(
        GROUP,
        "top_k_beyond_classes",
        "More classes than there are is refused.",
        refused(lambda: with_top_k("1000000"), 422, "invalid_parameter"),
    ),
    Check(
        GROUP,
        "unknown_model",
        "A model that is not there is refused.",
        refused(lambda: predict_call(packaged_image("picture.png"), model="no-such-model"), 404, "unknown_model"),
    ),
    Check(GROUP, "one_pixel", "A picture of one pixel gets an answer.", answered("one_pixel.png")),
    Check(
        GROUP,
        "unusual_file_name",
        "File names in any script are no obstacle.",
        answered("picture.png", file_name='蝾螈 "ñandú" 🐢.png'),
    ),
    Check(GROUP, "still_ready", "After all that the service is ready and answers.", still_ready),
)
