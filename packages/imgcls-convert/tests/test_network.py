import hashlib
import io
import json
import textwrap
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from imgcls_core import OnnxClassifier

FACTORIES = {
    "no factory": ("def other(): ...", "mine.py has no factory 'build'; it has other."),
    "an empty file": ("", "mine.py has no factory 'build'; it defines no functions or classes."),
    "a factory that fails": ("def build(): raise OSError('no disk')", "mine.py:build fails with OSError: no disk."),
    "a file that fails": ("1 / 0", "mine.py:build fails with ZeroDivisionError: division by zero."),
    "a file that is not Python": ("def build(:", "mine.py:build fails with SyntaxError"),
    "a factory that gives no network": ("def build(): return 5", "mine.py:build gives a int; it must give a torch.nn"),
}


@pytest.mark.parametrize("what", FACTORIES)
def test_a_file_without_a_working_factory_is_a_usage_error(run_cli, tmp_path, leaves_nothing, what):
    source, sentence = FACTORIES[what]
    (tmp_path / "mine.py").write_text(source, encoding="utf-8")
    refused = run_cli(tmp_path / "mine.py:build", "--output", leaves_nothing / "mine.onnx")
    assert (refused.code, sentence in refused.sentence) == (2, True), refused.err


NETWORK = """
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(3, 4)

        def forward(self, x):
            {forward}

    def build():
        return Net()
"""

NETWORKS = {
    "wrong size": ("return self.linear(x[..., 0])", "The network fails on 4 images of 32 × 32 px: "),
    "no logits": ("return x", "For 4 images the network gives [4, 3, 32, 32]; a classifier gives logits [4, classes]."),
    "a dictionary": ("return {'scores': self.linear(x.mean((2, 3)))}", "For 4 images the network gives dict"),
    "data-dependent control flow": (
        "x = x.mean((2, 3))\n            if x.max() > 1e6:\n                return self.linear(x)\n"
        "            return -self.linear(x)",
        "PyTorch cannot export this network to ONNX with a free batch size",
    ),
    "fixed batch": (
        "return self.linear(x.mean((2, 3)).reshape(2, 3))",
        "and does it take any number of images?",
    ),
    "a neighbourly batch": (
        "return self.linear(x.mean((2, 3)) - x.mean((0, 2, 3)))",
        "The network's answer to an image depends on the other images of its batch",
    ),
    "dropout that stays on": (
        "return nn.functional.dropout(self.linear(x.mean((2, 3))), 0.5, training=True)",
        "The network answers the same images differently each time",
    ),
    "NaN": ("return self.linear(x.mean((2, 3))) / 0 * 0", "The network gives NaN or infinite outputs"),
    "an operator without ONNX": (
        "return self.linear(torch.linalg.eigvalsh(x[:, :, :3, :3])[:, 0])",
        "PyTorch cannot export this network to ONNX with a free batch size",
    ),
}


@pytest.mark.parametrize("what", NETWORKS)
def test_a_network_that_cannot_be_converted_is_refused_in_one_sentence(run_cli, tmp_path, leaves_nothing, what):
    forward, sentence = NETWORKS[what]
    source = textwrap.dedent(NETWORK).replace("{forward}", textwrap.dedent(forward).replace("            ", "        "))
    (tmp_path / "mine.py").write_text(source, encoding="utf-8")
    refused = run_cli(
        tmp_path / "mine.py:build", "--image-size", "32", "--weak-proof", "--output", leaves_nothing / "mine.onnx"
    )  # fmt: skip
    assert (refused.code, sentence in refused.sentence) == (5, True), refused.err


def test_a_file_may_import_its_neighbours(run_cli, tmp_path):
    (tmp_path / "blocks.py").write_text("from torch import nn\nBlock = nn.Linear\n", encoding="utf-8")
    (tmp_path / "mine.py").write_text(
        "from torch import nn\nfrom blocks import Block\n"
        "def build(): return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), Block(3, 4))\n",
        encoding="utf-8",
    )
    told = run_cli(tmp_path / "mine.py:build", "--image-size", "32", "--output", tmp_path / "mine.onnx")
    assert told.code == 0, told.err


def test_classes_of_ones_own_need_a_checkpoint(run_cli, leaves_nothing):
    refused = run_cli("resnet18", "--num-classes", "10", "--output", leaves_nothing / "r.onnx")
    assert refused.code == 2
    assert "There are no published weights of resnet18 for 10 classes" in refused.sentence


SIZED = """
import torch
from torch import nn

class Sized(nn.Module):
    def __init__(self, num_classes=4, width=1.0, *, names=()):
        super().__init__()
        torch.manual_seed(3)
        self.net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, int(8 * width)), nn.Tanh())
        self.head = nn.Linear(int(8 * width), num_classes)
        nn.init.normal_(self.head.weight, std=5)  # images of other colours get other classes

    def forward(self, x):
        return self.head(self.net(x))

ready = Sized()
"""


@pytest.fixture
def sized(tmp_path):
    (tmp_path / "sized.py").write_text(SIZED, encoding="utf-8")
    return tmp_path / "sized.py"


def report_of(path):
    return json.loads(path.with_suffix(".report.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("call", "classes", "architecture"),
    [
        ("Sized", 4, "sized.py:Sized"),
        ("Sized(num_classes=10, width=0.5)", 10, "sized.py:Sized(num_classes=10, width=0.5)"),
        ("Sized(7, 2.0, names=['a', 'b'])", 7, "sized.py:Sized(7, 2.0, names=['a', 'b'])"),
        ("ready", 4, "sized.py:ready"),
    ],
)
def test_a_factory_may_be_a_class_with_arguments_or_a_network(run_cli, sized, tmp_path, call, classes, architecture):
    told = run_cli(f"{sized}:{call}", "--image-size", "32", "--output", tmp_path / "s.onnx")
    assert told.code == 0, told.err
    report = report_of(tmp_path / "s.onnx")
    assert (report["classes"], report["source"]["architecture"]) == (classes, architecture)


@pytest.mark.parametrize("call", ["Sized(open('x'))", "Sized(**{'width': 2})", "Sized(width=2", "Sized(1)(2)"])
def test_arguments_are_read_and_never_run(run_cli, sized, leaves_nothing, call):
    refused = run_cli(f"{sized}:{call}", "--output", leaves_nothing / "s.onnx")
    assert refused.code == 2


def test_arguments_that_do_not_fit_are_a_usage_error(run_cli, sized, leaves_nothing):
    refused = run_cli(f"{sized}:Sized(depth=3)", "--output", leaves_nothing / "s.onnx")
    assert refused.code == 2
    assert "sized.py:Sized(depth=3) fails with TypeError" in refused.sentence


@pytest.mark.parametrize("wanted", [True, False])
def test_the_whole_trace_of_the_users_code_is_shown_on_demand(run_cli, tmp_path, leaves_nothing, wanted):
    (tmp_path / "mine.py").write_text("def inner():\n    return {}['x']\n\ndef build():\n    return inner()\n")
    more = ["--traceback"] * wanted
    refused = run_cli(tmp_path / "mine.py:build", *more, "--output", leaves_nothing / "mine.onnx")
    assert refused.code == 2
    assert "mine.py, line 2: `return {}['x']`" in refused.sentence
    assert ("in build\n    return inner()" in refused.err) is wanted


def test_an_exception_in_forward_shows_its_line(run_cli, tmp_path, leaves_nothing):
    source = NETWORK.format(forward="return self.linear(x[..., 0])")
    (tmp_path / "net.py").write_text(textwrap.dedent(source), encoding="utf-8")
    refused = run_cli(tmp_path / "net.py:build", "--image-size", "32", "--output", leaves_nothing / "n.onnx")
    assert f"{tmp_path}/net.py, line 11: `return self.linear(x[..., 0])`" in refused.sentence


def test_asking_a_file_for_another_number_of_classes_names_the_way(run_cli, sized, leaves_nothing):
    refused = run_cli(
        f"{sized}:Sized", "--num-classes", "10", "--image-size", "32", "--output", leaves_nothing / "s.onnx"
    )  # fmt: skip
    assert refused.code == 2
    assert "`--num-classes 10` was asked for and the network has 4" in refused.sentence


ENDINGS = {
    "logits": "return self.linear(x)",
    "softmax": "return self.linear(x).softmax(1)",
    "log-softmax": "return self.linear(x).log_softmax(1)",
    "wrapped": "return {'logits': self.linear(x)}",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_probabilities_are_the_same_however_the_network_ends(run_cli, tmp_path, ending):
    """One set of weights: a softmax that is there already must not be followed by a second one."""
    source = ENDING_NETWORK.replace("ENDING", ENDINGS[ending])
    (tmp_path / "mine.py").write_text(source, encoding="utf-8")
    told = run_cli(tmp_path / "mine.py:Net(4)", "--image-size", "32", "--weak-proof", "--output", tmp_path / "m.onnx")
    assert told.code == 0, told.err
    assert ("no softmax is added" in told.err) == (ending == "softmax")
    answer = OnnxClassifier(tmp_path / "m.onnx", provider="cpu").predict(np.full((1, 32, 32, 3), 200, np.uint8))
    assert answer[0] == pytest.approx(torch.tensor([0.0, 1.0, 2.0, 3.0]).softmax(0).numpy(), abs=1e-6)


ENDING_NETWORK = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.linear = nn.Linear(3, outputs)
        with torch.no_grad():
            self.linear.weight.zero_()
            self.linear.bias.copy_(torch.arange(outputs) if outputs > 1 else torch.tensor([-1.0]))

    def forward(self, x):
        x = x.mean((2, 3))
        ENDING
"""

ONE_OUTPUT = {
    "a logit [N, 1]": "return self.linear(x)",
    "a logit [N]": "return self.linear(x)[:, 0]",
    "a probability": "return self.linear(x).sigmoid()",
}


@pytest.mark.parametrize("what", ONE_OUTPUT)
@pytest.mark.parametrize("labels", [["cat"], ["not cat", "cat"]])
def test_a_single_output_becomes_two_classes(run_cli, tmp_path, what, labels):
    (tmp_path / "mine.py").write_text(ENDING_NETWORK.replace("ENDING", ONE_OUTPUT[what]), encoding="utf-8")
    (tmp_path / "labels.txt").write_text("\n".join(labels), encoding="utf-8")
    told = run_cli(
        tmp_path / "mine.py:Net(1)", "--image-size", "32", "--labels", tmp_path / "labels.txt",
        "--weak-proof", "--output", tmp_path / "m.onnx",
    )  # fmt: skip
    assert told.code == 0, told.err
    classifier = OnnxClassifier(tmp_path / "m.onnx", provider="cpu")
    assert [entry.label for entry in classifier.metadata.classes] == ["not cat", "cat"]
    answer = classifier.predict(np.zeros((1, 32, 32, 3), np.uint8))
    present = 1 / (1 + np.exp(1.0))  # sigmoid of the bias, -1
    assert answer[0] == pytest.approx([1 - present, present], abs=1e-6)


def test_outputs_of_a_multi_label_network_are_pointed_out(run_cli, tmp_path):
    (tmp_path / "mine.py").write_text(
        ENDING_NETWORK.replace("ENDING", "return self.linear(x).sigmoid()"), encoding="utf-8"
    )
    told = run_cli(tmp_path / "mine.py:Net(4)", "--image-size", "32", "--output", tmp_path / "m.onnx")
    assert "as those of a multi-label network do" in told.err


@pytest.mark.parametrize("classes", [2, 21_841])
def test_networks_of_two_and_of_21841_classes(run_cli, sized, tmp_path, classes):
    told = run_cli(f"{sized}:Sized(num_classes={classes})", "--image-size", "32", "--output", tmp_path / "s.onnx")
    assert told.code == 0, told.err
    answer = OnnxClassifier(tmp_path / "s.onnx", provider="cpu").predict(np.zeros((2, 50, 40, 3), np.uint8))
    assert answer.shape == (2, classes)
    assert answer.sum(axis=1) == pytest.approx([1, 1], abs=1e-4)


class Small(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 8, 3, stride=2)
        self.norm = torch.nn.BatchNorm2d(8)
        self.head = torch.nn.Linear(8, 5)
        torch.nn.init.normal_(self.head.weight, std=5)

    def forward(self, x):
        return self.head(self.norm(self.conv(x)).relu().mean((2, 3)))


@pytest.fixture
def save_as(tmp_path):
    def save(kind):
        torch.manual_seed(5)
        network, example = Small().eval(), torch.randn(2, 3, 32, 32)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TorchScript is deprecated; users have such files all the same
            if kind == "script":
                torch.jit.script(network).save(tmp_path / "net.pt")
            elif kind == "trace":
                torch.jit.trace(network, example).save(tmp_path / "net.pt")
            else:
                batch = {"export": torch.export.Dim("batch", min=1), "fixed export": None}[kind]
                program = torch.export.export(network, (example,), dynamic_shapes=({0: batch},))
                torch.export.save(program, tmp_path / "net.pt2")
        return tmp_path / ("net.pt2" if "export" in kind else "net.pt")

    return save


@pytest.mark.parametrize("kind", ["script", "trace", "export"])
def test_saved_programs_hold_network_and_weights(run_cli, save_as, tmp_path, kind):
    path = save_as(kind)
    told = run_cli(path, "--trust", "--image-size", "32", "--output", tmp_path / "s.onnx")
    assert told.code == 0, told.err
    report = report_of(tmp_path / "s.onnx")
    assert report["classes"] == 5
    assert report["source"]["weights_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert report["parity"]["max_abs_diff"] <= 1e-5


@pytest.mark.parametrize(("kind", "why"), [("script", "read and write files"), ("export", "run any code")])
def test_a_file_that_holds_code_is_not_loaded_unless_it_is_trusted(
    run_cli, save_as, leaves_nothing, monkeypatch, kind, why
):
    path = save_as(kind)
    monkeypatch.setattr("torch.jit.load", None)
    monkeypatch.setattr("torch.export.load", None)
    refused = run_cli(path, "--image-size", "32", "--output", leaves_nothing / "s.onnx")
    assert (refused.code, why in refused.sentence, "`--trust`" in refused.sentence) == (2, True, True)


def test_a_hostile_program_does_not_run(run_cli, save_as, tmp_path, leaves_nothing):
    """Its sample inputs are a pickle; PyTorch unpickles them without limits when it loads the program."""
    path, victim = save_as("export"), tmp_path / "it_ran"

    class Hostile:
        def __reduce__(self):
            return Path.touch, (victim,)

    hostile = tmp_path / "hostile.pt2"
    with zipfile.ZipFile(path) as good, zipfile.ZipFile(hostile, "w") as bad:
        for name in good.namelist():
            content = good.read(name)
            if "sample_inputs" in name:
                buffer = io.BytesIO()
                torch.save(Hostile(), buffer)
                content = buffer.getvalue()
            bad.writestr(name, content)
    refused = run_cli(hostile, "--image-size", "32", "--output", leaves_nothing / "s.onnx")
    assert (refused.code, victim.exists()) == (2, False)
    run_cli(hostile, "--trust", "--image-size", "32", "--output", leaves_nothing / "s.onnx")
    assert victim.exists(), "PyTorch has become safe; --trust may go"


def test_a_program_exported_for_one_batch_size_is_refused(run_cli, save_as, leaves_nothing):
    refused = run_cli(save_as("fixed export"), "--trust", "--image-size", "32", "--output", leaves_nothing / "s.onnx")
    assert refused.code == 5
    assert "does it take any number of images?" in refused.sentence


def test_a_state_dict_in_the_place_of_the_model_gets_the_right_command(run_cli, resnet18_weights, leaves_nothing):
    refused = run_cli(resnet18_weights, "--output", leaves_nothing / "s.onnx")
    assert refused.code == 5
    assert "`imgcls-convert MODEL --weights resnet18.pth`" in refused.sentence


def test_a_saved_program_takes_no_weights(run_cli, save_as, resnet18_weights, leaves_nothing):
    refused = run_cli(save_as("script"), "--weights", resnet18_weights, "--output", leaves_nothing / "s.onnx")
    assert (refused.code, "holds its weights already" in refused.sentence) == (2, True)


def test_timm_names_say_what_to_install_when_it_is_missing(run_cli, leaves_nothing, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    refused = run_cli("timm/resnet18", "--output", leaves_nothing / "t.onnx")
    assert (refused.code, "`pip install timm`" in refused.sentence) == (2, True)


def test_timm_models_bring_their_own_preprocessing(run_cli, tmp_path):
    timm = pytest.importorskip("timm", reason="timm is not installed")
    torch.manual_seed(1)
    torch.save(timm.create_model("resnet10t.c3_in1k").state_dict(), tmp_path / "w.pth")
    told = run_cli("timm/resnet10t.c3_in1k", "--weights", tmp_path / "w.pth", "--output", tmp_path / "t.onnx")
    assert told.code == 0, told.err
    report = report_of(tmp_path / "t.onnx")
    spec = report["preprocessing"]
    assert (spec["interpolation"], spec["resize_size"], spec["size"]) == ("bicubic", 201, [176, 176])
    assert report["source"]["architecture"] == "timm.resnet10t.c3_in1k"


def test_labels_that_do_not_fit_the_network_are_a_usage_error(colours_model, run_cli, tmp_path, leaves_nothing):
    (tmp_path / "three.txt").write_text("a\nb\nc\n", encoding="utf-8")
    model = colours_model[0]
    refused = run_cli(
        model, "--image-size", "32", "--labels", tmp_path / "three.txt", "--output", leaves_nothing / "c.onnx"
    )  # fmt: skip
    assert refused.code == 2
    assert "name 3 classes and the network has 8 outputs; give `--labels` that fit." in refused.sentence


PADDED = """
import torch
from torch import nn

def build():
    torch.manual_seed(5)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=4), nn.ConstantPad2d(1, 0.0), nn.MaxPool2d(3, 2), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(8, 4),
    )
    nn.init.constant_(net[0].bias, -3.0)  # below the zeros at the edge
    nn.init.normal_(net[5].weight, std=4.0)
    return net
"""


def test_zeros_around_a_maximum_stay_there_whatever_a_runtime_fuses(run_cli, tmp_path):
    (tmp_path / "mine.py").write_text(PADDED, encoding="utf-8")
    told = run_cli(
        tmp_path / "mine.py:build", "--image-size", "32", "--weak-proof", "--output", tmp_path / "mine.onnx"
    )  # fmt: skip
    assert told.code == 0, told.err
