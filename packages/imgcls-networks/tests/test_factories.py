"""MODEL as code of the user's own, as projects have it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from imgcls_networks.architectures.factory import build_from_factory
from imgcls_networks.errors import RequestError
from imgcls_networks.models.factory_reference import FactoryReference
from imgcls_networks.models.reference import parse_model
from torch import nn

FILES = {
    "project/models/__init__.py": "",
    "project/models/blocks/__init__.py": "",
    "project/models/blocks/head.py": "from torch import nn\n\ndef head(classes):\n    return nn.Linear(3, classes)\n",
    "project/models/net.py": """
from .blocks.head import head
from torch import nn

class Net(nn.Module):
    def __init__(self, classes=4):
        super().__init__()
        self.head = head(classes)

    def forward(self, x):
        return self.head(x.mean((2, 3)))

    @classmethod
    def small(cls, classes=2):
        return cls(classes)

    @staticmethod
    def large():
        return Net(99)

def build(classes=5):
    return Net(classes)

def _private():
    ...

ready = Net(7)
""",
    "project/models/blocks/deep.py": "from ..net import Net\n\ndef build():\n    return Net(6)\n",
    "namespace/parts/layers.py": "from torch import nn\nlayer = nn.Linear(3, 8)\n",
    "namespace/zoo/net.py": "from ..parts.layers import layer\n\ndef build():\n    return layer\n",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return tmp_path


def classes(text: str) -> int:
    reference = parse_model(text)
    assert isinstance(reference, FactoryReference)
    network = build_from_factory(reference)
    found = [module.out_features for module in network.modules() if isinstance(module, nn.Linear)]
    return found[-1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("models/net.py:build", 5),
        ("models/net.py:Net", 4),
        ("models/net.py:Net(classes=9)", 9),
        ("models/net.py:Net.small", 2),
        ("models/net.py:Net.small(3)", 3),
        ("models/net.py:Net.large", 99),
        ("models/net.py:ready", 7),
        ("models/blocks/deep.py:build", 6),
        ("models.net:build", 5),
        ("models.net:build(11)", 11),
        ("models.net:Net.small(classes=3)", 3),
        ("models.blocks.deep:build", 6),
        ("../namespace/zoo/net.py:build", 8),
    ],
)
def test_code_is_found_as_projects_have_it(project: Path, text: str, expected: int) -> None:
    path = list(sys.path)
    assert classes(text) == expected
    assert sys.path == path


def test_two_projects_may_have_a_package_of_the_same_name(project: Path) -> None:
    assert classes("models/net.py:build") == 5
    other = project / "other/models"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("", encoding="utf-8")
    (other / "part.py").write_text("from torch import nn\nlayer = nn.Linear(3, 21)\n", encoding="utf-8")
    (other / "net.py").write_text("from .part import layer\n\ndef build():\n    return layer\n", encoding="utf-8")
    assert classes(f"{other}/net.py:build") == 21


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("models/net.py", "it has Net(classes=4), build(classes=5): write `models/net.py:Net` or"),
        ("models/net.py:", "it has Net(classes=4), build(classes=5)"),
        ("models/nothing.py", "names no factory; write `models/nothing.py:FACTORY`"),
        ("models/nothing.py:build", "There is no file 'models/nothing.py'"),
        ("nowhere.net:build", "There is no module 'nowhere.net', neither here"),
        ("models.net:build(open('x'))", "must be plain values"),
    ],
)
def test_what_is_mistyped_is_said_before_anything_runs(project: Path, text: str, sentence: str) -> None:
    with pytest.raises(RequestError) as refused:
        parse_model(text)
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (
            "def build():\n    return 1 / 0\n",
            "ZeroDivisionError: division by zero. It was raised in {file}, line 2: `return 1 / 0`.",
        ),
        (
            "import nothing_here\n",
            "ModuleNotFoundError: No module named 'nothing_here'. It was raised in {file}, line 1:",
        ),
        ("def build(:\n", "SyntaxError: "),
        ("def build(\n", "It was raised in {file}, line 1: `def build(`."),
        (
            "import argparse\nargparse.ArgumentParser().parse_args(['--x'])\n",
            "ends the process when it is imported or called",
        ),
        (
            "raise SystemExit(3)\n",
            "It was raised in {file}, line 1: `raise SystemExit(3)`. Put what a script does below",
        ),
        ("from torch import nn\n\ndef build():\n    return nn.Linear('a', 2)\n", "line 4: `return nn.Linear('a', 2)`."),
        ("def other(): ...\n", "mine.py has no factory 'build'; it has other."),
        ("from torch import nn\nnet = nn.Linear(1, 1)\n", "mine.py has no factory 'build'; it has net."),
    ],
)
def test_an_exception_in_the_users_code_shows_its_file_line_and_text(
    tmp_path: Path, source: str, sentence: str
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(source, encoding="utf-8")
    with pytest.raises(RequestError) as refused:
        build_from_factory(FactoryReference(file, "build"))
    assert sentence.format(file=file) in str(refused.value)
