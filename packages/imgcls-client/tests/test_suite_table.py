"""Each deliberately broken service fails exactly the tests that should catch it."""

from __future__ import annotations

import json
import time
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Refusal, Request, Run, Serve, StandIn

GOLDEN_FAILS = {"golden_probabilities"}
SIDE_PX = 8


def exchange_red_and_blue(pixels: bytes) -> bytes:
    swapped = bytearray(pixels)
    swapped[0::3], swapped[2::3] = pixels[2::3], pixels[0::3]
    return bytes(swapped)


def shrink_without_antialias(image: Image.Image) -> Image.Image:
    scale_x, scale_y = image.width / SIDE_PX, image.height / SIDE_PX
    matrix = (scale_x, 0, 0, 0, scale_y, 0)
    return image.transform((SIDE_PX, SIDE_PX), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)


def shrink_half_a_pixel_off(image: Image.Image) -> Image.Image:
    box = (0.5, 0.5, image.width, image.height)
    return image.resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR, box=box)


def add_a_trace(detail: str) -> str:
    return f'Traceback (most recent call last):\n  File "/srv/app/routes.py", line 7, in predict\nValueError: {detail}'


def be_slow_for_one_image_in_four(service: StandIn, request: Request) -> None:
    if request.path == "/predict" and request.body == SLOW_IMAGE[0]:
        time.sleep(1.2)  # the fault itself, not a wait for something


def take_as_long_as_real_work(service: StandIn, request: Request) -> None:
    if request.path == "/predict":
        time.sleep(0.01)  # so that calls overlap when there are several; an instant answer never meets another


def answer_with_the_previous_vector(service: StandIn, vector: list[float]) -> list[float]:
    with service.lock:
        previous, service.last_vector = service.last_vector, vector
        return previous if service.predicting > 1 and previous else vector


SLOW_IMAGE: list[bytes] = []
CALLS = count()


def refuse_now_and_then_under_load(refusal: type[Refusal]) -> Callable[[StandIn, Request], None]:
    def before(service: StandIn, request: Request) -> None:
        if request.path != "/predict":
            return
        time.sleep(0.005)  # as long as real work takes, so that calls overlap when there are several
        if service.predicting > 1 and next(CALLS) % 10 == 0:
            raise refusal(503, "queue_full", "now and then")

    return before


LABELS = ["tench", "goldfish", "axolotl", "mud turtle", "zebra", "teapot", "yurt", "daisy", "hook", "barn"]
ROTATED = [*LABELS[1:], LABELS[0]]

BROKEN: dict[str, tuple[dict[str, Any], set[str]]] = {
    "healthy": ({}, set()),
    "reads BGR": ({"pixels": exchange_red_and_blue}, {"golden_classes", "golden_probabilities"}),
    "shrinks without antialias": ({"resize": shrink_without_antialias}, {"golden_classes", "golden_probabilities"}),
    "subtracts the wrong mean": ({"mean": 0.49}, {"golden_probabilities"}),
    "is half a pixel off": ({"resize": shrink_half_a_pixel_off}, {"golden_probabilities"}),
    "names classes in another order": ({"labels": ROTATED}, {"golden_labels"}),
    "answers 200 to garbage": (
        {"accepts_garbage": True},
        {"empty_body", "text_as_image", "truncated_image", "corrupt_image", "wrong_media_type", "huge_dimensions"}
        | {"bad_base64", "base64_of_text", "broken_json", "form_without_file", "internal_addresses"}
        | {"batch", "batch_json", "data_uri"},
    ),
    "shows its stack trace": ({"detail": add_a_trace}, {"no_internals"}),
    "is slow for one image in four": (
        {"answer_before": be_slow_for_one_image_in_four},
        {"warm_latency", "parallel_load", "sustained_rate", "health_under_load"},
    ),
    "crosses answers": (
        {"vector": answer_with_the_previous_vector, "answer_before": take_as_long_as_real_work},
        {"answers_not_crossed"},
    ),
    "is open although a key is expected": ({"public": True}, {"without_key", "wrong_key"}),
    "fetches from inside its network": ({"fetches_addresses": True}, {"internal_addresses"}),
    "leaves its admin routes open": ({"admin_token": None}, {"admin_closed"}),
    "ignores EXIF": ({"turns": False}, {"exif_jpeg", "exif_png", "exif_webp"}),
    "forgets the request id": ({"request_id": None}, {"request_id_echoed"}),
}


def failed_tests(run: Run, url: str, *arguments: object) -> set[str]:
    ended = run("suite", "--url", url, "--json", "--max-latency", "5s", "--load-time", 0.1, *arguments)
    document = json.loads(ended.stdout)
    failed = {test["name"]: test["detail"] for test in document["tests"] if test["outcome"] == "failed"}
    assert ended.exit_code == (1 if failed else 0)
    return set(failed)


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_service_fails_exactly_the_tests_that_should_catch_it(
    run: Run, serve: Serve, golden_images: dict[str, bytes], how: str
) -> None:
    SLOW_IMAGE[:] = [golden_images["golden-0.png"]]  # the first that every load asks about
    faults, expected = BROKEN[how]
    key = "right-key"
    is_public = faults.get("public", False)
    service = serve(
        **{name: value for name, value in faults.items() if name != "public"}, api_key=None if is_public else key
    )
    # Far above what a healthy stand-in needs on a busy machine, but for the one that is slow on purpose.
    limit = ("--max-latency", "1s", "--load-time", 0.3) if "slow" in how else ()
    assert failed_tests(run, service.url, "--api-key", key, *limit) == expected


def test_a_service_that_fails_now_and_then_under_load_fails_the_tests_of_load(
    run: Run, serve: Serve, refusal: type[Refusal]
) -> None:
    service = serve(answer_before=refuse_now_and_then_under_load(refusal), api_key="right-key")
    failed = failed_tests(run, service.url, "--api-key", "right-key", "--load-time", 1)
    # At half of the top rate calls may or may not overlap, and only overlapping ones fail.
    assert failed - {"sustained_rate"} == {"parallel_load", "health_under_load"}
