import textwrap

import pytest

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
    "a dictionary": ("return {'logits': self.linear(x.mean((2, 3)))}", "For 4 images the network gives dict"),
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
    refused = run_cli(tmp_path / "mine.py:build", "--image-size", "32", "--output", leaves_nothing / "mine.onnx")
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
