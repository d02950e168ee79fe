import json
import re

import pytest


def test_inspect_says_what_is_in_an_artifact(run_cli, colours):
    shown = run_cli("inspect", colours.path)
    assert shown.code == 0
    assert "RGB, resize to 32 × 32 px (bilinear), mean 0.5 0.5 0.5, std 0.5 0.5 0.5" in shown.out
    assert "probabilities, float32 [N, 8]" in shown.out
    assert "0 red, 1 green, 2 blue, 3 yellow, …" in shown.out
    assert "top-1 agreement with PyTorch 100.00% on 14 images" in shown.out
    assert "colours.py:build, fp32" in shown.out


def test_inspect_as_json_is_one_document_without_the_images(run_cli, colours):
    shown = json.loads(run_cli("inspect", colours.path, "--json").out)
    assert (shown["schema"], len(shown["classes"]), len(shown["golden"])) == (1, 8, 14)
    assert shown["sha256"] == colours.report["artifact"]["sha256"]
    assert "image_base64" not in shown["golden"][0]


def test_the_page_shows_the_golden_images_and_fetches_nothing(run_cli, colours, tmp_path):
    run_cli("inspect", colours.path, "--html", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count('src="data:image/webp;base64,') == 14
    assert fetched(page) == []


def test_the_conversion_report_is_a_page_that_fetches_nothing(colours):
    page = colours.path.with_suffix(".report.html").read_text(encoding="utf-8")
    assert page.count("<circle ") == 14
    assert page.count('src="data:image/webp;base64,') == 12  # the worst
    assert "PyTorch: black" in page
    assert fetched(page) == []


def fetched(page):
    """Addresses that a browser would ask for."""
    return [found for found in re.findall(r'(?:src|href)="([^"]*)"|url\(', page) if not found.startswith("data:")]


@pytest.mark.parametrize("command", [["inspect"], ["verify"], ["diff", "b.onnx"]])
def test_a_missing_artifact_is_a_usage_error(run_cli, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    name, *rest = command
    refused = run_cli(name, "none.onnx", *rest)
    assert (refused.code, "There is no artifact at 'none.onnx'" in refused.sentence) == (2, True)


def test_a_file_that_is_no_artifact_is_a_usage_error(run_cli, tmp_path):
    (tmp_path / "text.onnx").write_text("hello", encoding="utf-8")
    refused = run_cli("inspect", tmp_path / "text.onnx")
    assert refused.code == 2
    assert "is not a model that ONNX Runtime can load" in refused.sentence
