"""What is done with finished rows: statistics, difference, choice."""

import csv
import io
import json
import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def other(run_cli, folder, other_model, tmp_path_factory) -> Path:
    """The rows of another artifact over the same images."""
    output = tmp_path_factory.mktemp("other") / "out"
    assert run_cli("run", folder, output, "--model", other_model, "--workers", 1).code == 0
    return output


def test_statistics_count_classes_and_bad_images(run_cli, finished, images, bad_images):
    document = json.loads(run_cli("stats", finished, "--json").out)
    assert document["rows"] == len(images) + len(bad_images)
    assert document["answered"] == len(images)
    assert {one["label"]: one["images"] for one in document["classes"]} == dict.fromkeys(
        ("red", "green", "blue", "white", "black"), 8
    )
    assert {one["code"]: one["images"] for one in document["bad"]} == {"image_undecodable": 3, "image_too_large": 2}
    assert sum(document["confidence"]) == sum(document["entropy"]) == len(images)
    assert document["drift"] is None
    text = run_cli("stats", finished).out
    assert "5 without an answer (11.11%)" in text


def test_the_page_shows_images_of_each_class(run_cli, finished, tmp_path):
    assert run_cli("stats", finished, "--html", tmp_path / "report.html").code == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/webp") == 5 * 6
    assert "image_undecodable" in page
    assert "<script" not in page


def test_rows_are_compared_with_the_reference_distribution_of_the_artifact(run_cli, other):
    drift = json.loads(run_cli("stats", other, "--json").out)["drift"]
    assert drift["classes"]["psi"] > 0
    assert "drift: classes" in run_cli("stats", other).out


def test_two_models_that_answer_alike_agree(run_cli, finished, other, images, tmp_path):
    document = json.loads(run_cli("diff", finished, other, "--json", "--html", tmp_path / "diff.html").out)
    assert (document["compared"], document["same"]) == (len(images), len(images))
    assert document["interval"][0] == pytest.approx(0.9124, abs=1e-4), "Wilson's, for 40 of 40"
    assert "No image changed its class" in (tmp_path / "diff.html").read_text(encoding="utf-8")
    assert run_cli("diff", finished, other, "--min-agreement", 90).code == 0
    assert run_cli("diff", finished, other, "--min-agreement", 95).code == 1


def test_changed_images_are_told_by_pair_and_shown(run_cli, finished, folder, images, model, tmp_path):
    source, output = tmp_path / "images", tmp_path / "out"
    for name in ("red", "blue"):
        (source / name).mkdir(parents=True)
    before = tmp_path / "before"
    for i in range(8):
        (source / f"red/{i}.jpg").write_bytes(images[f"red/red-{i}.jpg"])
        (source / f"blue/{i}.jpg").write_bytes(images[f"blue/blue-{i}.jpg"])
    assert run_cli("run", source, before, "--model", model, "--workers", 1).code == 0
    for i in range(3):
        (source / f"red/{i}.jpg").write_bytes(images[f"green/green-{i}.jpg"])
    (source / "blue/0.jpg").unlink()
    assert run_cli("run", source, output, "--model", model, "--workers", 1).code == 0
    outcome = run_cli("diff", before, output, "--html", tmp_path / "diff.html")
    assert "80.00% of 15 images have the same class" in outcome.out
    assert "3  red → green" in outcome.out
    assert "1 rows are only in the first" in outcome.out
    assert (tmp_path / "diff.html").read_text(encoding="utf-8").count("data:image/webp") == 3


def test_the_least_certain_of_every_class_are_picked_in_turns(run_cli, finished, rows, tmp_path):
    outcome = run_cli("pick", finished, "--uncertain", 10, "--by", "confidence", "--images", tmp_path / "picked")
    picked = list(csv.DictReader(io.StringIO(outcome.out)))
    labels = [row["label"] for row in picked]
    assert len(set(labels[:5])) == len(set(labels[5:])) == 5
    for label in set(labels):
        sure = sorted(row["probability"] for row in rows(finished) if row["label"] == label)
        assert sorted(float(row["probability"]) for row in picked if row["label"] == label) == pytest.approx(sure[:2])
    assert len(list((tmp_path / "picked").iterdir())) == 10


def test_what_was_picked_is_a_source(run_cli, finished, model, rows, tmp_path):
    assert run_cli("pick", finished, "--uncertain", 5, "--list", tmp_path / "list.csv").code == 0
    assert run_cli("run", tmp_path / "list.csv", tmp_path / "out", "--model", model, "--workers", 1).code == 0
    assert [row["code"] for row in rows(tmp_path / "out")] == [None] * 5


def test_the_output_of_a_run_is_a_source_with_the_same_images(run_cli, folder, model, other_model, images, tmp_path):
    before, after, source = tmp_path / "before", tmp_path / "after", tmp_path / "images"
    shutil.copytree(folder / "red", source)
    assert run_cli("run", source, before, "--model", model, "--workers", 1).code == 0
    (source / "later.jpg").write_bytes(images["blue/blue-0.jpg"])
    assert run_cli("run", before, after, "--model", other_model, "--workers", 1).code == 0
    document = json.loads(run_cli("diff", before, after, "--json").out)
    assert (document["is_same_manifest"], document["images"], document["only_after"]) == (True, 8, 0)
    assert (before / "_imgcls/report.html").is_file(), "a run ends with its report"


def test_an_output_without_rows_is_one_sentence(run_cli, tmp_path):
    for command in (("stats", tmp_path), ("diff", tmp_path, tmp_path), ("pick", tmp_path)):
        outcome = run_cli(*command)
        assert outcome.code == 2
        assert "holds no rows" in outcome.err
