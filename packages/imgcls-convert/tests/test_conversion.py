import base64
import io
import json
import signal
import subprocess
import sys

import msgspec
import numpy as np
import onnx
import pytest
from imgcls_core import ImagePreprocessor, OnnxClassifier
from PIL import Image


def test_the_report_says_what_was_proven(colours):
    assert colours.outcome.code == 0
    assert "top-1 identical on 14 of 14 images" in colours.outcome.out
    parity = colours.report["parity"]
    assert parity["top1_agreement"] == 1.0
    assert parity["max_abs_diff"] <= parity["tolerance"] == 1e-5


def test_only_the_artifact_and_its_reports_are_written(colours):
    assert sorted(path.name for path in colours.path.parent.iterdir()) == [
        "colours.onnx",
        "colours.report.html",
        "colours.report.json",
    ]


def test_the_artifact_names_the_colour_of_an_image(colours):
    classifier = colours.classifier()
    preprocess = ImagePreprocessor(classifier.metadata.preprocessing)
    for colour in ("red", "green", "blue", "yellow", "cyan", "magenta", "black", "white"):
        shade = "lime" if colour == "green" else colour  # PIL's green is a dark one
        pixels = preprocess(Image.new("RGB", (70, 50), shade))
        assert classifier.top_k(classifier.predict(pixels)[0], 1)[0].label == colour


def test_the_artifact_replays_its_golden_cases(colours):
    classifier = colours.classifier()
    classifier.check_golden()
    assert len(classifier.metadata.golden) == 14


def test_the_artifact_keeps_its_contract(colours):
    model = onnx.load(colours.path)
    assert model.ir_version == 10
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]
    (images,), (probabilities,) = model.graph.input, model.graph.output
    assert [d.dim_param or d.dim_value for d in images.type.tensor_type.shape.dim] == ["N", "H", "W", 3]
    assert [d.dim_param or d.dim_value for d in probabilities.type.tensor_type.shape.dim] == ["N", 8]
    assert not any(tensor.external_data for tensor in model.graph.initializer)


def test_the_artifact_does_not_name_folders_of_this_machine(colours):
    content = colours.path.read_bytes()
    assert str(colours.path.parent).encode() not in content
    assert b"site-packages" not in content
    assert b"tests/data" not in content


def test_converting_twice_gives_the_same_bytes(colours, colours_model, run_cli, tmp_path):
    run_cli(*colours_model, "--output", tmp_path / "colours.onnx")
    assert (tmp_path / "colours.onnx").read_bytes() == colours.path.read_bytes()


def test_the_committed_artifact_is_what_its_command_makes_today(colours, colours_path):
    """tests/data/colours.onnx serves every member's tests; versions of libraries may differ, the rest may not."""
    old, new = OnnxClassifier(colours_path, provider="cpu").metadata, colours.classifier().metadata
    if (old.source.torch, old.source.onnx) == (new.source.torch, new.source.onnx):
        # Another exporter may write the same network with other nodes.
        assert onnx.load(colours_path).graph == onnx.load(colours.path).graph
    assert (old.classes, old.preprocessing) == (new.classes, new.preprocessing)
    # The images are drawn alike everywhere; PyTorch's own answers to them differ in the last digits by processor.
    assert [(case.name, case.image_base64) for case in old.golden] == [
        (case.name, case.image_base64) for case in new.golden
    ]
    for ours, theirs in zip(old.golden, new.golden, strict=True):
        assert [answer.class_id for answer in ours.top] == [answer.class_id for answer in theirs.top]
        assert [answer.probability for answer in ours.top] == pytest.approx(
            [answer.probability for answer in theirs.top], abs=new.golden_tolerance
        )


def test_resnet18_by_name_with_ones_own_checkpoint(resnet18):
    """Random weights, but the published preprocessing, labels and the parity gate."""
    assert resnet18.outcome.code == 0
    report = resnet18.report
    assert report["source"]["architecture"] == "torchvision.models.resnet18"
    assert report["preprocessing"]["resize_size"] == 256
    assert report["parity"]["max_abs_diff"] <= 1e-5
    metadata = resnet18.classifier().metadata
    assert [metadata.classes[i].label for i in (0, 26, 29, 35)] == ["tench", "common newt", "axolotl", "mud turtle"]


def test_the_time_in_the_report_can_be_fixed(colours_model, run_cli, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    shown = run_cli(*colours_model, "--output", tmp_path / "c.onnx", "--skip-verify", "--json")
    assert json.loads(shown.out)["created"] == "2023-11-14T22:13:20+00:00"


def test_json_prints_one_document_on_stdout(colours_model, run_cli, tmp_path):
    shown = run_cli(*colours_model, "--output", tmp_path / "c.onnx", "--json")
    assert json.loads(shown.out) == json.loads((tmp_path / "c.report.json").read_text(encoding="utf-8"))


def test_assumed_statistics_are_named_as_a_person_would_type_them(colours_model, run_cli, tmp_path):
    told = run_cli(colours_model[0], "--image-size", "32", "--output", tmp_path / "c.onnx")
    assert (
        "note: ImageNet's mean 0.485 0.456 0.406 and std 0.229 0.224 0.225 are assumed; say `--mean R G B --std R G B`"
    ) in told.err
    assert "class_0, class_1" in told.err


def test_skipping_the_proof_is_loud_and_recorded(colours_model, run_cli, tmp_path):
    told = run_cli(*colours_model, "--output", tmp_path / "c.onnx", "--skip-verify")
    assert "NOT VERIFIED: --skip-verify was given" in told.err
    assert OnnxClassifier(tmp_path / "c.onnx", provider="cpu").metadata.parity is None


def save_photos(folder, count, size=(40, 30)):
    folder.mkdir(exist_ok=True)
    rows = ["file,class_id"]
    for i in range(count):
        name = f"photo_{i:02}.png"
        noise = np.random.default_rng(i).integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / name)
        rows.append(f"{name},{i % 8}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def test_labelled_images_are_recorded_verified_and_scored(colours_model, run_cli, tmp_path):
    photos = save_photos(tmp_path / "photos", 20)
    output = tmp_path / "c.onnx"
    told = run_cli(
        *colours_model, "--golden", photos / "labels.csv", "--verify-images", photos, "--output", output
    )  # fmt: skip
    assert told.code == 0, told.err
    assert "16 of 20 golden images are recorded, evenly spread" in told.err
    golden = OnnxClassifier(output, provider="cpu").metadata.golden
    assert (golden[0].name, golden[-1].name, len(golden)) == ("photo_00.png", "photo_19.png", 16)
    assert golden[0].expected_class_id == 0
    assert base64.b64decode(golden[0].image_base64) == (photos / "photo_00.png").read_bytes()
    report = json.loads(output.with_suffix(".report.json").read_text(encoding="utf-8"))
    assert report["parity"]["images"] == report["precisions"][0]["figures"]["labelled"] == 20


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("name,class_id\na.png,0\n", "has the columns name, class_id; it needs file"),
        ("file,class_id\ngone.png,0\n", "names 'gone.png' in line 2; there is no such file"),
        ("file,class_id\na.png,zero\n", "has the class_id 'zero' in line 2"),
        ("file,class_id\na.png,8\n", "'a.png' is labelled 8; the classes are 0 to 7"),
        ("file,class_id\n", "has no rows; it needs"),
    ],
)
def test_a_wrong_table_of_golden_images_is_a_usage_error(
    colours_model, run_cli, tmp_path, leaves_nothing, table, sentence
):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    (tmp_path / "golden.csv").write_text(table, encoding="utf-8")
    refused = run_cli(*colours_model, "--golden", tmp_path / "golden.csv", "--output", leaves_nothing / "c.onnx")
    assert (refused.code, sentence in refused.sentence) == (2, True), refused.err


def test_a_file_that_is_no_image_is_a_usage_error(colours_model, run_cli, tmp_path, leaves_nothing):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 not really")
    refused = run_cli(*colours_model, "--verify-images", tmp_path, "--output", leaves_nothing / "c.onnx")
    assert refused.code == 2
    assert "'broken.jpg' cannot be read" in refused.sentence


@pytest.mark.skipif(sys.platform == "win32", reason="the limit is one of POSIX")
def test_a_full_disk_leaves_nothing_behind(colours_model, run_cli, leaves_nothing, monkeypatch):
    """The limit on the size of a file stands for the disk's end; the artifact needs about 110 kB."""
    import resource

    # Python would keep a module that was cut off, and stumble over it ever after.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    least, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, most))
    try:
        failed = run_cli(*colours_model, "--output", leaves_nothing / "new" / "c.onnx")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (least, most))
    assert failed.code == 5, failed.err
    assert "c.onnx' cannot be written: File too large. Nothing is left behind." in failed.sentence


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise on Windows")
@pytest.mark.parametrize(("stop", "stage"), [(signal.SIGINT, "Exporting"), (signal.SIGTERM, "Comparing")])
def test_stopping_a_conversion_leaves_nothing_behind(colours_model, leaves_nothing, stop, stage):
    command = [
        sys.executable,
        "-m",
        "imgcls_convert",
        *colours_model,
        "--output",
        str(leaves_nothing / "new" / "c.onnx"),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as running:
        for line in running.stderr:
            if line.startswith(stage):
                running.send_signal(stop)
                break
        rest = running.stderr.read()
    assert running.returncode == 130
    assert "interrupted; nothing was written" in rest


@pytest.mark.parametrize("artifact", ["colours", "resnet18"])
def test_the_graph_is_clean(request, artifact):
    """Batch normalisation is folded, nothing is dead, one opset, and nothing is tied to a kind of processor."""
    model = onnx.load(request.getfixturevalue(artifact).path)
    onnx.checker.check_model(model, full_check=True)
    assert [entry.domain for entry in model.opset_import] == [""]
    used = {value.name for value in model.graph.output}

    def read(graph):
        for node in graph.node:
            used.update(node.input)
            for inner in (entry.g for entry in node.attribute if entry.HasField("g")):
                used.update(value.name for value in inner.output)
                read(inner)

    read(model.graph)
    assert [node.name for node in model.graph.node if not used & set(node.output)] == []
    assert [tensor.name for tensor in model.graph.initializer if tensor.name not in used] == []
    assert {"BatchNormalization", "Dropout", "Identity"} & {node.op_type for node in model.graph.node} == set()


def test_an_artifact_that_differs_is_not_written(colours_model, run_cli, monkeypatch, leaves_nothing):
    """The gate must be able to fail: here the graph is given another mean than PyTorch."""
    from imgcls_convert.graph import preprocess

    def wrong(spec):
        return preprocess.preprocess_nodes(msgspec.structs.replace(spec, mean=(0.49, 0.5, 0.5)))

    monkeypatch.setattr("imgcls_convert.graph.artifact.preprocess_nodes", wrong)
    refused = run_cli(*colours_model, "--output", leaves_nothing / "c.onnx")
    assert refused.code == 5
    assert "ONNX and PyTorch disagree" in refused.sentence
    assert "tolerance 1.0e-05" in refused.sentence


def test_golden_images_are_readable_pngs_that_fit_their_budget(colours):
    golden = colours.classifier().metadata.golden
    sizes = []
    for case in golden:
        encoded = base64.b64decode(case.image_base64)
        sizes.append(len(encoded))
        Image.open(io.BytesIO(encoded)).load()
    assert sum(sizes) < 200_000
