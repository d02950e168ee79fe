import json
import os
import re
import subprocess
import sys

import pytest

HEAVY = ["torch", "torchvision", "onnx", "onnxruntime", "numpy", "PIL", "rich", "httpx", "msgspec"]


def imported_after(statement):
    """Names of heavy packages that a fresh process has imported after the statement."""
    code = (
        f"import sys, json\n{statement}\nprint(json.dumps([n for n in {HEAVY!r} if n in sys.modules]), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ | {"NO_COLOR": "1"}
    )
    return json.loads(done.stderr.splitlines()[-1])


def test_help_imports_nothing_heavy():
    help_ = "from imgcls_convert.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass"
    assert imported_after(help_) == []


def test_checking_a_request_does_not_wait_for_pytorch():
    mistyped = "from imgcls_convert.cli import main\ntry: main(['resnet18', '--weights', 'nothing.pth'])\n"
    found = imported_after(mistyped + "except SystemExit: pass")
    assert not {"torch", "torchvision", "onnx", "onnxruntime"} & set(found)


def test_the_catalog_is_listed_without_pytorch():
    listed = "from imgcls_convert.cli import main\ntry: main(['--list'])\nexcept SystemExit: pass"
    assert not {"torch", "torchvision", "onnx", "onnxruntime"} & set(imported_after(listed))


def test_help_names_every_exit_code(run_cli):
    shown = run_cli("--help")
    assert shown.code == 0
    assert "Exit codes: 0 ok" in shown.out


def test_list_shows_name_dataset_classes_accuracy_size_licence_and_source(run_cli):
    heading, *rows = run_cli("--list").out.splitlines()
    assert heading.split() == ["name", "dataset", "classes", "top-1", "%", "top-5", "%", "MB", "licence", "source"]
    resnet18 = next(row for row in rows if row.startswith("resnet18 "))
    assert resnet18.split() == [
        "resnet18", "ImageNet-1k", "1000", "69.8", "89.1", "45", "BSD-3-Clause",
        "https://download.pytorch.org/models/resnet18-f37072fd.pth",
    ]  # fmt: skip


def test_the_list_begins_with_the_model_that_needs_no_download(run_cli, monkeypatch, trained_folder):
    """A stand-in takes the bundled model's place."""
    monkeypatch.setattr("imgcls_networks.models.bundled.bundled_folder", lambda: trained_folder)
    _, first, *rows = run_cli("--list").out.splitlines()
    assert " ".join(first.split()) == (
        "everyday_stand_in Tiny ImageNet, 100 classes 100 61.2 84.6 5 see below in the package"
    )
    assert rows[-1] == "everyday_stand_in: Random weights; nobody's rights."
    row = json.loads(run_cli("--list", "--json").out)[0]
    assert (row["in_package"], row["sources"], row["top1_pct"]) == (True, [], 61.2)
    assert row["licence"] == "Random weights; nobody's rights."
    assert 5 < row["megabytes"] < 6


def test_list_as_json_is_one_document(run_cli):
    rows = json.loads(run_cli("--list", "--json").out)
    assert {row["name"] for row in rows} > {"resnet18", "vit_b_16", "swin_t", "efficientnet_b0", "vgg16"}
    assert set(rows[0]) == {
        "name", "dataset", "classes", "top1_pct", "top5_pct", "megabytes", "licence", "in_package", "sources"
    }  # fmt: skip


def test_the_catalog_holds_every_architecture_with_pinned_sources(run_cli):
    """torchvision writes the first digits of the SHA-256 into its file names; the catalog checks all that it has."""
    import torchvision

    rows = json.loads(run_cli("--list", "--json").out)
    names = [row["name"] for row in rows if not row["in_package"]]
    assert names == sorted(torchvision.models.list_models(module=torchvision.models))
    for source in (source for row in rows for source in row["sources"]):
        assert source["url"].startswith("https://")
        assert re.fullmatch("[0-9a-f]{8,64}", source["sha256"])


def test_resnet18_has_two_sources_of_one_file(run_cli):
    rows = json.loads(run_cli("--list", "--json").out)
    first, second = next(row["sources"] for row in rows if row["name"] == "resnet18")
    assert first["url"] == "https://download.pytorch.org/models/resnet18-f37072fd.pth"
    assert second["url"] == "https://www.dropbox.com/s/b7641ryzmkceoc9/pytorch_model_weights.pth?dl=1"
    assert first["sha256"] == second["sha256"]
    assert len(first["sha256"]) == 64


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--image-size", "0"], "224, or 192x256"),
        (["--image-size", "10x"], "224, or 192x256"),
        (["--resize", "big"], "neither 'squash', 'letterbox' nor a number"),
        (["--crop", "0"], "1<=x<=16384"),
        (["--mean", "0.5", "0.5"], "requires 3 arguments"),
        (["--no-such-option"], "No such option"),
    ],
)
def test_wrong_options_are_usage_errors(run_cli, options, part):
    refused = run_cli("resnet18", *options)
    assert refused.code == 2
    assert part in refused.err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["resnet19"], "There is no model 'resnet19'. Did you mean resnet"),
        (["mine.py"], "'mine.py' names no factory; write `mine.py:FACTORY`"),
        (["mine.py:build"], "There is no file 'mine.py'"),
        (["resnet18", "--weights", "none.pth"], "There is no checkpoint at 'none.pth'"),
        (["resnet18", "--labels", "none.txt"], "There are no labels 'none.txt'"),
        (["resnet18", "--golden", "none"], "`--golden none`: there is no such file or folder"),
        (["resnet18", "--verify-images", "none"], "`--verify-images none`: there is no such file or folder"),
        (["resnet18", "--output", "model.pt"], "`--output model.pt` must name a .onnx file"),
        (["resnet18", "--output", "/proc/model.onnx"], "`--output /proc/model.onnx` cannot be written"),
        (["resnet18", "--resize", "squash", "--crop", "200"], "`--resize squash` leaves nothing to crop"),
        (["resnet18", "--resize", "100", "--crop", "200"], "needs crop 'center' and a resize_size of at least 200 px"),
        (["resnet18", "--image-size", "200"], "say what to resize to as well"),
        (["resnet18", "--std", "0", "1", "1"], "each of the three must be from 1e-06 to 1"),
        (["resnet18", "--mean", "127.5", "127.5", "127.5"], "write `--mean 0.5 0.5 0.5`"),
    ],
)
def test_mistakes_get_one_sentence_and_exit_2(run_cli, tmp_path, monkeypatch, options, sentence):
    monkeypatch.chdir(tmp_path)
    refused = run_cli(*options)
    assert refused.code == 2
    assert sentence in refused.sentence
    assert "Traceback" not in refused.err
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_no_output(run_cli, tmp_path):
    (tmp_path / "a.onnx").mkdir()
    refused = run_cli("resnet18", "--output", tmp_path / "a.onnx")
    assert (refused.code, "is a folder; name a file in it" in refused.err) == (2, True)


def test_a_bug_of_ours_is_exit_70_without_a_trace(run_cli, monkeypatch):
    def broken(*_args, **_options):
        raise ZeroDivisionError("planted")

    monkeypatch.setattr("imgcls_convert.commands.convert.plan_conversion", broken)
    crashed = run_cli("resnet18")
    assert crashed.code == 70
    assert crashed.sentence.startswith("imgcls-convert: a bug of ours, ZeroDivisionError: planted at ")


def test_interrupting_is_exit_130(run_cli, monkeypatch):
    def interrupted(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("imgcls_convert.commands.convert.plan_conversion", interrupted)
    stopped = run_cli("resnet18")
    assert (stopped.code, stopped.sentence) == (130, "imgcls-convert: interrupted; nothing was written.")


def test_help_lists_the_commands_and_shows_examples(run_cli):
    told = run_cli("--help").out
    assert all(f"\n  {name} " in told for name in ("inspect", "verify", "diff", "sign"))
    for command in ([], ["inspect"], ["verify"], ["diff"], ["sign"]):
        assert f"\n  imgcls-convert {' '.join(command)}" in run_cli(*command, "--help").out.split("Examples:")[1]


def test_a_mistyped_command_is_told_the_nearest(run_cli):
    refused = run_cli("inspct", "models/a.onnx")
    assert (refused.code, "Did you mean `imgcls-convert inspect`?" in refused.err) == (2, True)


def test_an_artifact_is_replaced_with_a_word_and_another_file_never(run_cli, colours, colours_model, tmp_path):
    output = tmp_path / "colours.onnx"
    output.write_bytes(colours.path.read_bytes())
    told = run_cli(*colours_model, "--output", output)
    assert (told.code, "is replaced when this succeeds" in " ".join(told.err.split())) == (0, True), told.err
    output.write_bytes(b"somebody's own")
    refused = run_cli(*colours_model, "--output", output)
    assert (refused.code, "is no artifact of imgcls" in refused.sentence) == (2, True)
    assert output.read_bytes() == b"somebody's own"
