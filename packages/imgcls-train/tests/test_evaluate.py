from __future__ import annotations

import csv
import io
import json
import math
import shutil
import tarfile
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from imgcls_core.artifact import ClassInfo, Preprocessing
from imgcls_networks.models.trained_model import TrainedModel
from imgcls_testing.commands import RunCli
from imgcls_testing.images import RGB, encode_image
from imgcls_train.errors import DatasetError
from imgcls_train.evaluation.accuracy import accuracy_by_class, confusions, wilson_share
from imgcls_train.evaluation.calibration import measure_calibration
from imgcls_train.evaluation.class_matching import match_classes
from imgcls_train.evaluation.confusion_matrix import confusion_matrix, grouped_matrix
from imgcls_train.evaluation.document import Evaluation, ImageAnswers, worst_errors
from imgcls_train.evaluation.page import WORST, evaluation_page
from PIL import Image
from PIL import __version__ as pillow_version
from safetensors.torch import save_file

DATA = Path(__file__).parents[3] / "tests" / "data"
COLOURS = DATA / "colours.onnx"
NAMES = list(RGB)


def _png(colour: Sequence[float]) -> bytes:
    return encode_image(Image.new("RGB", (40, 30), tuple(round(value) for value in colour)))


Images = dict[str, list[bytes]]


@pytest.fixture
def make_dataset(tmp_path: Path) -> Callable[..., Path]:
    """Writes val.tar from folder name → encoded images."""

    def make(by_class: Images, classes: Sequence[tuple[str, str]] = ()) -> Path:
        root = tmp_path / "colours-data"
        root.mkdir()
        with tarfile.open(root / "val.tar", "w") as tar:
            for folder, images in by_class.items():
                for number, content in enumerate(images):
                    member = tarfile.TarInfo(f"val/{folder}/{number:03}.png")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
        if classes:
            with (root / "classes.csv").open("w", encoding="utf-8", newline="") as file:
                rows = csv.writer(file)
                rows.writerow(["class_id", "wnid", "label"])
                rows.writerows([i, wnid, label] for i, (wnid, label) in enumerate(classes))
        return root

    return make


def _pure() -> Images:
    """Five of each colour; one image in the folder `red` is blue."""
    images = {name: [_png(RGB[name])] * 5 for name in NAMES}
    return images | {"red": [*images["red"][:4], _png(RGB["blue"])]}


def _mixed() -> Images:
    """Colours with a share of a neighbour, so that some are taken for it."""
    chance = np.random.default_rng(7)
    return {
        name: [
            _png(np.array(RGB[name]) * share + np.array(RGB[NAMES[(place + 1) % 8]]) * (1 - share))
            for share in chance.uniform(0.35, 1.0, 12)
        ]
        for place, name in enumerate(NAMES)
    }


@pytest.fixture
def colours_run(tmp_path: Path) -> Path:
    """A trained model's folder with the network of tests/data/colours.py, ten times too sure of itself."""
    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copy(DATA / "colours.py", folder)
    import sys

    sys.path.insert(0, str(DATA))
    try:
        network = import_module("colours").build()
    finally:
        sys.path.remove(str(DATA))
    save_file({name: tensor * 10 for name, tensor in network.state_dict().items()}, folder / "model.safetensors")
    half = (0.5, 0.5, 0.5)
    card = TrainedModel(
        name="colours",
        architecture="colours.py:build",
        classes=tuple(ClassInfo(i, name) for i, name in enumerate(NAMES)),
        preprocessing=Preprocessing((32, 32), "squash", None, None, "bilinear", half, half, pillow_version),
        training={"recipe": "by hand"},
    )
    (folder / "model.json").write_bytes(card.to_json())
    return folder


def test_an_artifact_gets_its_accuracy_intervals_and_confusions(
    run_cli: RunCli, make_dataset: Callable[..., Path]
) -> None:
    before = COLOURS.read_bytes()
    root = make_dataset(_pure())
    found = json.loads(run_cli("evaluate", COLOURS, root, "--json").out)
    assert found["images"] == 40
    assert found["top1"]["pct"] == pytest.approx(97.5)
    # Wilson's 95 % interval for 39 of 40, from its closed form.
    assert [found["top1"]["low_pct"], found["top1"]["high_pct"]] == pytest.approx([87.12, 99.56], abs=0.01)
    assert found["top5"]["pct"] >= found["top1"]["pct"]
    assert found["by_class"][0]["label"] == "red"
    assert found["by_class"][0]["top1"]["pct"] == pytest.approx(80)
    (confusion,) = found["confusions"]
    assert (confusion["expected"], confusion["predicted"], confusion["images"], confusion["of"]) == (
        "red",
        "blue",
        1,
        5,
    )
    assert len(found["answers"]["names"]) == 40
    assert COLOURS.read_bytes() == before


def test_the_table_is_on_stdout_and_progress_is_not(run_cli: RunCli, make_dataset: Callable[..., Path]) -> None:
    outcome = run_cli("evaluate", COLOURS, make_dataset(_pure()))
    assert outcome.code == 0
    assert "97.5 % (87.1 to 99.6)" in outcome.out
    assert "red" in outcome.out
    assert "Asking" in outcome.err
    assert "Asking" not in outcome.out


def test_a_trained_model_keeps_its_evaluation_and_reference_in_its_card(
    run_cli: RunCli, make_dataset: Callable[..., Path], colours_run: Path
) -> None:
    root = make_dataset(_mixed())
    found = json.loads(run_cli("evaluate", colours_run, root, "--json").out)
    card = TrainedModel.read(colours_run)
    assert card.evaluation is not None
    assert card.evaluation.split_sha256 == found["split_sha256"]
    assert card.evaluation.top1_pct == pytest.approx(found["top1"]["pct"], abs=1e-3)
    assert card.evaluation.log_loss == pytest.approx(found["calibration"]["log_loss"], abs=1e-4)
    assert card.temperature == 1
    assert card.reference is not None
    assert card.reference.images == 96
    predicted = np.bincount(found["answers"]["predicted_class_ids"], minlength=8) / 96
    assert card.reference.class_shares == pytest.approx(predicted.tolist())


def test_a_trained_model_is_asked_with_torchvisions_preprocessing(
    run_cli: RunCli, make_dataset: Callable[..., Path], colours_run: Path
) -> None:
    """By hand: nearest of the eight colours in the mean colour of the 32 px image, weights times ten."""
    mixed = _mixed()
    found = json.loads(run_cli("evaluate", colours_run, make_dataset(mixed), "--json").out)
    network = torch.nn.Sequential(torch.nn.AvgPool2d(16, 16), torch.nn.Flatten(), torch.nn.Linear(12, 8))
    from safetensors.torch import load_file

    weights = load_file(colours_run / "model.safetensors")
    network[2].load_state_dict({"weight": weights["nearest.weight"], "bias": weights["nearest.bias"]})
    expected: list[float] = []
    for folder in sorted(mixed):
        for content in mixed[folder]:
            pixels = np.asarray(Image.open(io.BytesIO(content)).resize((32, 32), Image.Resampling.BILINEAR))
            inputs = torch.from_numpy((pixels.astype(np.float32) / 255 - 0.5) / 0.5).permute(2, 0, 1)[None]
            expected.append(float(network(inputs).detach().softmax(1).max()))
    assert found["answers"]["probabilities"] == pytest.approx(expected, abs=1e-5)


def test_a_temperature_is_written_where_held_out_images_gain_by_it(
    run_cli: RunCli, make_dataset: Callable[..., Path], colours_run: Path
) -> None:
    root = make_dataset(_mixed())
    outcome = run_cli("evaluate", colours_run, root, "--fit-temperature", "--json")
    found = json.loads(outcome.out)
    card = TrainedModel.read(colours_run)
    assert card.temperature == found["fit"]["temperature"] > 2
    assert found["calibration"]["log_loss"] < found["uncalibrated"]["log_loss"]
    # The halves were judged with each other's temperature, so the figures are not those of the fit itself.
    assert found["fit"]["halves"][0] != found["fit"]["halves"][1]
    assert found["fit"]["held_out"]["log_loss"] == found["calibration"]["log_loss"]

    again = run_cli("evaluate", colours_run, root, "--fit-temperature", "--json")
    assert "the temperature stays" in again.err
    assert TrainedModel.read(colours_run).temperature == card.temperature


def test_the_folders_of_a_dataset_are_matched_by_wordnet_id_before_names() -> None:
    model = [ClassInfo(0, "crane", "n02012849"), ClassInfo(1, "crane (machine)", "n03126707"), ClassInfo(2, "tench")]
    dataset = [ClassInfo(0, "crane", "n03126707"), ClassInfo(1, "Tench")]
    assert match_classes(dataset, ["n03126707", "Tench"], model) == [1, 2]
    assert match_classes([ClassInfo(0, "n02012849")], ["n02012849"], model) == [0]
    assert match_classes([ClassInfo(0, "crane_(machine)")], ["crane_(machine)"], model) == [1]


def test_two_folders_that_are_one_class_to_the_model_are_refused() -> None:
    with pytest.raises(DatasetError, match="both the model's 'red'"):
        match_classes([ClassInfo(0, "red"), ClassInfo(1, "Red")], ["red", "Red"], [ClassInfo(0, "red")])


def test_classes_that_the_model_does_not_know_are_named(run_cli: RunCli, make_dataset: Callable[..., Path]) -> None:
    outcome = run_cli("evaluate", COLOURS, make_dataset({"red": [_png((255, 0, 0))], "mauve": [_png((200, 160, 255))]}))
    assert outcome.code == 2
    assert "does not know 1 of the dataset's 2 classes: 'mauve'" in outcome.err


def test_a_damaged_image_is_named(run_cli: RunCli, make_dataset: Callable[..., Path]) -> None:
    outcome = run_cli("evaluate", COLOURS, make_dataset({"red": [_png((255, 0, 0)), b"no image"]}))
    assert outcome.code == 2
    assert "'red/001.png'" in outcome.err
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere", "{root}"], "neither a trained model's folder"),
        (["{root}", "{root}"], "holds no trained model"),
        ([COLOURS, "{root}", "--split", "test"], "'test'"),
        ([COLOURS, "{root}", "--fit-temperature"], "the temperature of an artifact is fixed"),
        ([COLOURS, "{root}", "--html", "{root}/no/page.html"], "there is no folder"),
    ],
)
def test_wrong_requests_are_one_sentence_and_exit_2(
    run_cli: RunCli, make_dataset: Callable[..., Path], arguments: Sequence[object], said: str
) -> None:
    root = make_dataset({"red": [_png((255, 0, 0))]})
    outcome = run_cli("evaluate", *(str(one).format(root=root) for one in arguments))
    assert outcome.code == 2
    assert said in outcome.err
    assert outcome.out == ""


def test_a_limit_takes_images_from_all_over_the_split_and_says_so(
    run_cli: RunCli, make_dataset: Callable[..., Path]
) -> None:
    root = make_dataset(_pure())
    whole = json.loads(run_cli("evaluate", COLOURS, root, "--json").out)
    part = json.loads(run_cli("evaluate", COLOURS, root, "--json", "--limit", "8").out)
    assert part["images"] == 8
    assert {name.split("/")[0] for name in part["answers"]["names"]} == set(NAMES)
    assert part["split_sha256"] != whole["split_sha256"]
    assert "8 images of val" in part["split"]


def test_the_page_shows_the_surest_mistake_and_needs_nothing_else(
    run_cli: RunCli, make_dataset: Callable[..., Path], tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    assert run_cli("evaluate", COLOURS, make_dataset(_pure()), "--html", page).code == 0
    text = page.read_text(encoding="utf-8")
    assert "<bdi>labelled red</bdi><br><bdi>answer blue" in text
    assert "data:image/webp;base64," in text
    assert text.count('<svg class="plot" role="img"') == 2
    assert "&#8296;red&#8297; → &#8296;blue&#8297;: 1" in text
    assert "://" not in text
    assert "<script" not in text


def test_intervals_hold_at_the_ends() -> None:
    none = wilson_share(0, 10)  # 0 to z² / (n + z²)
    assert (none.low_pct, none.high_pct) == pytest.approx((0, 100 * 3.8415 / 13.8415), abs=0.01)
    assert wilson_share(10, 10).high_pct == pytest.approx(100)


def test_calibration_finds_the_temperature_that_answers_were_sharpened_with() -> None:
    """Labels are drawn from softmax(z) and the answers are softmax(3 z): T = 3 is the truth."""
    from imgcls_train.evaluation.calibration import cross_fit_temperature, tempered

    chance = np.random.default_rng(5)
    true = tempered(chance.normal(0, 2, (6000, 10)), 1.0)
    expected = np.array([chance.choice(10, p=np.exp(row)) for row in true])
    sharpened = tempered(true, 1 / 3)
    fit = cross_fit_temperature(sharpened, expected, seed=0)
    assert fit is not None
    assert fit.temperature == pytest.approx(3, rel=0.05)
    assert fit.held_out.ece < 0.02 < 0.1 < measure_calibration(sharpened, expected).ece
    assert fit.held_out.log_loss == pytest.approx(measure_calibration(true, expected).log_loss, abs=0.01)
    assert math.isclose(sum(one.images for one in fit.held_out.bins), 6000)


def test_of_a_thousand_classes_the_matrix_shows_those_that_are_confused_most_side_by_side() -> None:
    taken_for = {7: 500, 500: 7, 3: 999, 999: 640}  # 7 and 500 for each other; 3 for 999, this for 640
    expected = [class_id for class_id in range(1000) for _ in range(10)]
    predicted = [taken_for.get(own, own) if place % 10 < 4 else own for place, own in enumerate(expected)]
    predicted[10] = 2  # class 1 once for 2: seldom, so without a row
    answers = ImageAnswers(("",) * 10_000, tuple(expected), tuple(predicted), (0.9,) * 10_000)
    matrix = confusion_matrix(answers, 5)
    assert not matrix.is_whole
    assert [class_id for (class_id,) in matrix.groups] in ([3, 999, 640, 7, 500], [640, 999, 3, 7, 500])
    assert [sum(row) + other for row, other in zip(matrix.counts, matrix.others, strict=True)] == [10] * 5
    assert matrix.counts[3] == (0, 0, 0, 6, 4)


def test_of_few_classes_the_matrix_shows_all_and_counts_answers_from_outside() -> None:
    answers = ImageAnswers(("",) * 4, (0, 0, 2, 2), (0, 2, 2, 9), (0.9,) * 4)
    matrix = confusion_matrix(answers, 24)
    assert matrix.is_whole
    assert (matrix.groups, matrix.counts, matrix.others) == (((0,), (2,)), ((1, 1), (0, 1)), (0, 1))


def _of_a_thousand_classes() -> Evaluation:
    """20 images of each of 1000 classes, two fifths answered wrongly: all over, and class 617 often with 41."""
    chance = np.random.default_rng(3)
    expected = np.repeat(np.arange(1000), 20)
    predicted = np.where(chance.random(20_000) < 0.4, chance.integers(0, 1000, 20_000), expected)
    predicted[np.flatnonzero(expected == 617)[:17]] = 41
    labels = tuple(ClassInfo(number, f"class {number} of a thousand") for number in range(1000))
    even = measure_calibration(np.log(np.full((4, 2), 0.5)), np.array([0, 1, 0, 1]))
    names = tuple(f"val/{number}.jpeg" for number in range(20_000))
    return Evaluation(
        *("net", "artifact", "0" * 64, 1000, 1000, "val", "0" * 64, 20_000),
        *(wilson_share(12_000, 20_000), wilson_share(15_000, 20_000), 1.0, even, even, None),
        accuracy_by_class(expected, predicted, labels),
        confusions(expected, predicted, labels),
        ImageAnswers(names, tuple(expected.tolist()), tuple(predicted.tolist()), (0.5,) * 20_000),
        "2026-11-21T12:00:00Z",
    )


def test_the_page_of_a_thousand_classes_is_small_and_shows_all_of_them_the_worst_pair_first() -> None:
    found = _of_a_thousand_classes()
    spots = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    image = encode_image(Image.fromarray(spots).resize((200, 200)))  # as many bytes as a photo
    places = worst_errors(found, WORST)
    text = evaluation_page(
        found, [f"class {number} of a thousand" for number in range(1000)], dict.fromkeys(places, image)
    )
    assert len(text.encode()) < 1_000_000
    pairs = text[text.index("What is taken for what") :]
    assert pairs.index("class 617 of a thousand") < pairs.index("class 41 of a thousand") < pairs.index("17 of 20")
    assert "wrong answers among all 1,000 classes, in 60 groups" in pairs


def test_in_groups_every_wrong_answer_is_counted_once_beside_those_that_it_is_confused_with() -> None:
    found = _of_a_thousand_classes()
    matrix = grouped_matrix(found.answers, 60)
    assert sorted(class_id for group in matrix.groups for class_id in group) == list(range(1000))
    assert {len(group) for group in matrix.groups} == {16, 17}
    assert sum(map(sum, matrix.counts)) == int((~found.answers.right).sum())
    order = [class_id for group in matrix.groups for class_id in group]
    assert abs(order.index(617) - order.index(41)) == 1
