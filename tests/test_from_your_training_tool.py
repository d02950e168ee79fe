"""A fine-tuned model of transformers, from training to the client's answer, by the blocks of the page as they stand."""

import re
import shlex
import sys

import numpy as np
import pytest
import torch
from PIL import Image

COLOURS = {"blue": (40, 60, 200), "green": (50, 180, 60), "red": (200, 50, 40)}
_DATA = f"""
import torch

def batches():
    classes = torch.arange(384) % 3
    colours = torch.tensor({[*COLOURS.values()]})[classes] / 127.5 - 1
    images = colours[:, :, None, None] + torch.randn(384, 3, 32, 32, generator=torch.Generator().manual_seed(5)) * 0.2
    return zip(images.split(32), classes.split(32))
"""


@pytest.fixture(scope="module")
def section(root):
    """The blocks of the section, by their languages."""
    page = (root / "docs/from-your-training-tool.md").read_text(encoding="utf-8")
    text = re.search(r"^## Hugging Face transformers$(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE)
    assert text
    return dict(re.findall(r"^```(\w+)\n(.*?)^```", text[1], re.DOTALL | re.MULTILINE))


@pytest.fixture(scope="module")
def workplace(section, tmp_path_factory):
    """The folder in which the page's training was run, with a photo of something red."""
    folder = tmp_path_factory.mktemp("tool")
    (folder / "my_data.py").write_text(_DATA, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.delitem(sys.modules, "my_data", raising=False)  # of another page
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))
        torch.manual_seed(7)
        exec(section["python"], {"__name__": "__main__"})  # noqa: S102 - our own page
    noise = np.random.default_rng(9).normal(COLOURS["red"], 25, (48, 64, 3))
    Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(folder / "photo.png")
    return folder


def test_a_fine_tuned_model_becomes_a_service_that_answers(imgcls, section, workplace, start_service):
    lines = [*section["sh"].splitlines(), *section["text"].splitlines()]
    convert, serve, predict = (shlex.split(line.removeprefix("imgcls-")) for line in lines)
    done = imgcls(*convert, cwd=workplace)
    assert done.returncode == 0, done.stderr
    assert (serve[:2], predict[:2]) == (["serve", "--model"], ["client", "predict"])
    with start_service(model=workplace / serve[2], provider="cpu") as service:
        asked = [service.url if part.startswith("http://") else part for part in predict]
        answer = imgcls(*asked, cwd=workplace)
    assert answer.returncode == 0, answer.stderr
    assert "red" in answer.stdout
