"""What the service says of drift; `tests/test_drift.py` has whole windows of traffic with the monitor beside them."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from imgcls_core.artifact.drift import LIMIT_PSI, answers_needed, jensen_shannon, population_stability

if TYPE_CHECKING:
    from conftest import PictureOf, RunningService, StartService

PNG = {"content-type": "image/png"}
CHECK = {"x-imgcls-check": "true"}


@pytest.mark.parametrize(
    ("classes", "images", "quantile"), [(2, 10**9, 10.828), (20, 10**9, 43.820), (1000, 10**9, 1142.8)]
)
def test_answers_needed_follow_the_chi_squared_distribution(classes: int, images: int, quantile: float) -> None:
    """99.9th percentiles from the usual tables."""
    assert answers_needed(classes, images) == pytest.approx(quantile / LIMIT_PSI, rel=0.04, abs=1)


def test_a_reference_of_few_images_needs_more_answers_or_never_has_enough() -> None:
    many, few = answers_needed(100, 50_000), answers_needed(100, 1000)
    assert many is not None
    assert few is not None
    assert few > 2 * many
    assert answers_needed(1000, 1000) is None


@pytest.mark.parametrize("kind", ["flat", "one in two", "zipf"])
@pytest.mark.parametrize(("classes", "images"), [(8, 2000), (20, 2000), (100, 5000), (1000, 50_000)])
def test_chance_alone_rarely_reaches_the_limit_with_just_enough_answers(kind: str, classes: int, images: int) -> None:
    """300 windows each; one in a thousand is allowed by the definition, three in 300 would be a wrong one."""
    dice = np.random.default_rng(7)
    weights = {"flat": np.ones(classes), "one in two": 0.5 ** np.arange(classes), "zipf": 1 / np.arange(1, classes + 1)}
    truth = weights[kind] / weights[kind].sum()
    alarms = 0
    for _ in range(300):
        reference = dice.multinomial(images, truth) / images
        needed = answers_needed(int(np.count_nonzero(reference)), images)
        assert needed is not None
        alarms += population_stability(dice.multinomial(needed, truth), reference, images) > LIMIT_PSI
    assert alarms <= 2


counts = st.lists(st.integers(0, 100), min_size=2, max_size=30).filter(any)


@given(counts, st.integers(1, 10_000))
def test_the_same_shares_have_no_distance(found: list[int], images: int) -> None:
    shares = np.array(found) / sum(found)
    assert population_stability(np.array(found), shares, images) == pytest.approx(0, abs=1e-9)
    assert jensen_shannon(shares, shares) == pytest.approx(0, abs=1e-6)


def test_nothing_in_common_is_the_largest_distance() -> None:
    one, other = np.array([0.5, 0.5, 0]), np.array([0.0, 0, 1])
    assert jensen_shannon(one, other) == pytest.approx(1)
    assert population_stability(np.array([50, 50, 0]), other, 1000) > 5


def drift_of(running: RunningService, name: str = "colours_with_reference", **query: object) -> dict[str, Any]:
    reply = running.client.get(f"/models/{name}/drift", params={key: str(value) for key, value in query.items()})
    assert reply.status_code == 200, reply.text
    return reply.json()


def series(running: RunningService, prefix: str) -> dict[str, float]:
    text = running.client.get("/metrics").text
    return {name: float(value) for name, value in re.findall(rf"^({prefix}\S*) (\S+)$", text, re.MULTILINE)}


def test_a_service_that_nobody_asked_has_no_distance_and_says_what_it_needs(
    start_service: StartService, colours_with_reference_path: Path
) -> None:
    """Warm-up and the golden cases at load are not counted."""
    with start_service(model=colours_with_reference_path) as running:
        body = drift_of(running)
        assert body["window"]["answers"] == body["since_load"]["answers"] == 0
        assert body["reference"]["images"] == 2000
        assert body["limit_psi"] == 0.25
        assert body["drift"]["classes"] == {
            "status": "too_few_answers",
            "psi": None,
            "jensen_shannon": None,
            "answers_needed": 104,
        }
        found = series(running, "imgcls_drift")
    assert found['imgcls_drift_window_answers{model="colours_with_reference"}'] == 0
    assert found['imgcls_drift_window_seconds{model="colours_with_reference"}'] == 3600
    assert found['imgcls_drift_needed_answers{model="colours_with_reference",of="classes"}'] == 104
    assert not [name for name in found if name.startswith(("imgcls_drift_psi", "imgcls_drift_jensen"))]


def test_every_way_to_ask_is_counted_and_what_fails_is_not(
    start_service: StartService, colours_with_reference_path: Path, picture_of: PictureOf
) -> None:
    red = picture_of("red")
    with start_service(model=colours_with_reference_path) as running:
        ask = running.client.post
        ask("/predict", content=red, headers=PNG)
        ask("/predict/batch", files=[("file", picture_of("blue")), ("file", b"no image"), ("file", red)])
        pixels = {"name": "images", "datatype": "UINT8", "shape": [1, 1, 1, 3], "data": [0, 255, 0]}
        ask("/v2/models/colours_with_reference/infer", json={"inputs": [pixels]})
        ask("/predict", content=b"no image", headers=PNG)
        ask("/predict", content=red, headers=PNG, params={"top_k": 99})
        ask("/predict", content=red, headers=PNG, params={"model": "other"})
        counted = drift_of(running)
        for path, options in (
            ("/predict", {"content": red, "headers": PNG | CHECK}),
            ("/predict/batch", {"files": [("file", red)], "headers": CHECK}),
            ("/v2/models/colours_with_reference/infer", {"json": {"inputs": [pixels]}, "headers": CHECK}),
        ):
            assert ask(path, **options).status_code == 200
        assert drift_of(running) == counted
        ask("/predict", content=red, headers=PNG | {"x-imgcls-check": "no"})
        assert drift_of(running)["window"]["answers"] == 5
        metrics = series(running, "imgcls_")
    assert counted["window"] == counted["since_load"]
    assert counted["window"]["classes"] == [2, 1, 1, 0, 0, 0, 0, 0]
    assert sum(counted["window"]["confidence"]) == sum(counted["window"]["entropy"]) == 4
    assert metrics['imgcls_drift_window_answers{model="colours_with_reference"}'] == 5
    assert metrics['imgcls_entropy_bucket{le="+Inf",model="colours_with_reference"}'] == 5
    assert metrics['imgcls_drift_psi{model="colours_with_reference",of="confidence"}'] > 0


def test_a_model_without_a_reference_has_histograms_and_no_figures(
    start_service: StartService, picture_of: PictureOf
) -> None:
    with start_service() as running:
        running.client.post("/predict", content=picture_of("red"), headers=PNG)
        body = drift_of(running, "colours")
        assert body["reference"] is None
        assert body["drift"] is None
        assert body["window"]["answers"] == 1
        assert series(running, "imgcls_drift") == {}
        unknown = running.client.get("/models/other/drift")
        assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_model")


def test_a_model_that_is_loaded_again_starts_to_count_anew(
    start_service: StartService, colours_with_reference_path: Path, picture_of: PictureOf
) -> None:
    admin = {"authorization": "Bearer admin-token-1"}
    with start_service(model=colours_with_reference_path, admin_token="admin-token-1") as running:  # noqa: S106
        running.client.post("/predict", content=picture_of("red"), headers=PNG)
        assert running.client.post("/models/colours_with_reference/load", headers=admin).status_code == 200
        assert drift_of(running)["since_load"]["answers"] == 0


def test_the_figures_are_those_of_the_histograms(
    start_service: StartService, colours_with_reference_path: Path, picture_of: PictureOf
) -> None:
    """Four answers of one class against the reference, by hand: smoothed shares, then Σ (p - q) ln(p / q)."""
    with start_service(model=colours_with_reference_path) as running:
        for _ in range(4):
            running.client.post("/predict", content=picture_of("cyan"), headers=PNG)
        body = drift_of(running)
    found, expected = body["window"]["classes"], body["reference"]["class_shares"]
    pairs = [((count + 0.5) / 8, (share * 4 + 0.5) / 8) for count, share in zip(found, expected, strict=True)]
    assert body["drift"]["classes"]["psi"] == pytest.approx(sum((p - q) * math.log(p / q) for p, q in pairs))
    assert 0 < body["drift"]["classes"]["jensen_shannon"] < 1


def test_a_limit_of_the_callers_own_decides_how_many_answers_it_takes_and_what_is_drift(
    start_service: StartService, colours_with_reference_path: Path, picture_of: PictureOf
) -> None:
    """Forty answers of one class: drift by a limit of 3, nothing yet by 0.25, and never by one finer than chance."""
    with start_service(model=colours_with_reference_path) as running:
        for _ in range(40):
            running.client.post("/predict", content=picture_of("cyan"), headers=PNG)
        judged = {limit: drift_of(running, limit_psi=limit) for limit in (0.005, 0.25, 1.5, 100)}
        wrong = [running.client.get(f"/models/x/drift?limit_psi={limit}").status_code for limit in ("0", "-1", "nan")]
    assert [body["limit_psi"] for body in judged.values()] == [0.005, 0.25, 1.5, 100]
    found = {limit: body["drift"]["classes"] for limit, body in judged.items()}
    needed = [one["answers_needed"] for one in found.values()]
    assert needed == [None, 104, 17, 1]
    assert [one["status"] for one in found.values()] == ["reference_too_small", "too_few_answers", "drifted", "stable"]
    assert {one["psi"] for one in found.values()} == {found[0.25]["psi"]}
    assert wrong == [422, 422, 422]


def test_answers_as_the_reference_has_them_are_stable(
    start_service: StartService, colours_with_reference_path: Path, picture_of: PictureOf
) -> None:
    with start_service(model=colours_with_reference_path) as running:
        reference = drift_of(running)["reference"]["class_shares"]
        colours = ["red", "green", "blue", "yellow", "cyan", "magenta", "black", "white"]
        for colour, share in zip(colours, reference, strict=True):
            for _ in range(round(120 * share)):
                running.client.post("/predict", content=picture_of(colour), headers=PNG)
        assert drift_of(running)["drift"]["classes"]["status"] == "stable"
