"""Which weights of a checkpoint are meant: what is clear is taken and said, what is not is asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from imgcls_networks.errors import CheckpointError
from imgcls_networks.weights.checkpoint import ChosenWeights, load_checkpoint
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune
from torch.optim.swa_utils import AveragedModel

Weights = dict[str, Tensor]


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 5))


def some_network(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    return network()


RAW, AVERAGED = some_network(1), some_network(2)
raw: Callable[[], Weights] = RAW.state_dict
averaged: Callable[[], Weights] = AVERAGED.state_dict


def optimizer() -> dict[str, Any]:
    one = torch.optim.AdamW(RAW.parameters())
    RAW(torch.randn(2, 3, 4, 4)).sum().backward()
    one.zero_grad()
    for parameter in RAW.parameters():
        parameter.grad = torch.zeros_like(parameter)
    torch.optim.AdamW(RAW.parameters(), lr=0.0, weight_decay=0.0)
    one.param_groups[0]["lr"] = 0.0
    one.step()
    return one.state_dict()


def prefixed(prefix: str, weights: Weights) -> Weights:
    return {prefix + name: tensor for name, tensor in weights.items()}


def load(folder: Path, content: object, key: str | None = None) -> tuple[nn.Module, ChosenWeights]:
    torch.save(content, folder / "last.pth")
    return load_checkpoint(network, folder / "last.pth", state_key=key)


def asked(folder: Path, content: object, key: str | None = None) -> str:
    with pytest.raises(CheckpointError) as refused:
        load(folder, content, key)
    return str(refused.value)


def is_raw(loaded: nn.Module) -> bool:
    return torch.equal(loaded.get_parameter("0.weight"), RAW.get_parameter("0.weight"))


def is_averaged(loaded: nn.Module) -> bool:
    return torch.equal(loaded.get_parameter("0.weight"), AVERAGED.get_parameter("0.weight"))


# From the raw and the averaged weights: a checkpoint, the key of either, and what the question names.
SEVERAL: dict[str, tuple[Callable[[], dict[str, Any]], str, str]] = {
    "timm": (lambda: {"state_dict": raw(), "state_dict_ema": averaged()}, "state_dict", "state_dict_ema"),
    "torchvision": (
        lambda: {"model": raw(), "model_ema": AveragedModel(AVERAGED).state_dict()},
        "model",
        "model_ema",
    ),
    "ema alone": (lambda: {"model": raw(), "ema": averaged()}, "model", "ema"),
    "mmengine": (lambda: {"state_dict": raw(), "ema_state_dict": averaged()}, "state_dict", "ema_state_dict"),
    "model_ema_state_dict": (
        lambda: {"model_state_dict": raw(), "model_ema_state_dict": averaged()},
        "model_state_dict",
        "model_ema_state_dict",
    ),
    "swa": (lambda: {"model": raw(), "swa_state_dict": averaged()}, "model", "swa_state_dict"),
    "averaged_model": (lambda: {"net": raw(), "averaged_model": averaged()}, "net", "averaged_model"),
    "student and teacher": (lambda: {"student": raw(), "teacher": averaged()}, "student", "teacher"),
    "the best and the last": (lambda: {"state_dict": raw(), "best_state": averaged()}, "state_dict", "best_state"),
    "nested": (lambda: {"model": raw(), "ema": {"decay": 0.9, "shadow": averaged()}}, "model", "ema.shadow"),
    "in an optimizer": (
        lambda: {"model": raw(), "optimizer": {"param_groups": [], "ema": averaged()}},
        "model",
        "optimizer.ema",
    ),
    "Lightning's averaging": (
        lambda: {"state_dict": averaged(), "current_model_state": raw()},
        "current_model_state",
        "state_dict",
    ),
    "Lightning's callback": (
        lambda: {"state_dict": raw(), "callbacks": {"EMAWeights{'decay': 0.99}": {"ema_weights": averaged()}}},
        "state_dict",
        "callbacks.EMAWeights{'decay': 0.99}.ema_weights",
    ),
    "in one state dict": (
        lambda: {"state_dict": prefixed("student.", raw()) | prefixed("teacher.", averaged())},
        "state_dict.student",
        "state_dict.teacher",
    ),
    "in one state dict, at the top": (
        lambda: prefixed("module.model.", raw()) | prefixed("module.ema.", averaged()),
        "module.model",
        "module.ema",
    ),
    "an attribute of the network": (lambda: raw() | prefixed("ema.module.", averaged()), ".", "ema.module"),
    "names without dots, as latent diffusion writes them": (
        lambda: {"state_dict": raw(), "ema": {name.replace(".", ""): one for name, one in averaged().items()}},
        "state_dict",
        "ema",
    ),
    "a list without names": (
        lambda: {"model": raw(), "ema": {"shadow_params": [*AVERAGED.parameters()]}},
        "model",
        "ema.shadow_params",
    ),
    "a whole model": (lambda: {"state_dict": raw(), "ema": AVERAGED}, "state_dict", "ema"),
}


@pytest.mark.parametrize("form", SEVERAL)
def test_several_sets_that_could_be_meant_are_asked_about_by_name(tmp_path: Path, form: str) -> None:
    make, raw_key, averaged_key = SEVERAL[form]
    question = asked(tmp_path, {"epoch": 3, "optimizer": optimizer(), **make()})
    assert "holds 2 sets of weights that could be meant" in question
    assert f"{raw_key} (9 tensors" in question or f"{raw_key} (7 tensors" in question
    assert f"{averaged_key} (" in question
    assert "`--state-key NAME`" in question


@pytest.mark.parametrize("form", SEVERAL)
def test_the_key_chooses_and_it_is_said(tmp_path: Path, form: str) -> None:
    make, raw_key, averaged_key = SEVERAL[form]
    content = {"epoch": 3, **make()}
    loaded, weights = load(tmp_path, content, raw_key)
    assert is_raw(loaded)
    assert f"took {raw_key} (" in (weights.note or "")
    if form in {"a list without names", "a whole model"}:
        assert "holds" in asked(tmp_path, content, averaged_key)
    elif form.startswith("names without dots"):
        assert "does not fit" in asked(tmp_path, content, averaged_key)
    else:
        assert is_averaged(load(tmp_path, content, averaged_key)[0])


def test_the_beginning_of_a_path_is_enough_where_it_leaves_one(tmp_path: Path) -> None:
    content = {"model": raw(), "ema": {"decay": 0.9, "shadow": averaged()}}
    assert is_averaged(load(tmp_path, content, "ema")[0])


@pytest.mark.parametrize("key", ["optimizer", "emma", "model.0", "", "state", "teacher"])
def test_a_key_that_is_not_there_is_answered_with_those_that_are(tmp_path: Path, key: str) -> None:
    content = {"model": raw(), "model_ema": averaged(), "optimizer": optimizer(), "nested": {"teacher": {"a": 1}}}
    question = asked(tmp_path, content, key)
    assert "model_ema (9 tensors)" in question or "does not fit" in question


def test_an_average_of_the_parameters_alone_takes_its_buffers_from_the_set_that_is_named(tmp_path: Path) -> None:
    content = {"model": raw(), "ema": {"decay": 0.9, "shadow": dict(AVERAGED.named_parameters())}}
    assert "2 sets of weights that could be meant" in asked(tmp_path, content)
    refused = asked(tmp_path, content, "ema.shadow")
    assert "without 1.running_mean, 1.running_var" in refused
    assert "`--state-key ema.shadow+model`" in refused
    loaded, weights = load(tmp_path, content, "ema.shadow+model")
    assert is_averaged(loaded)
    assert torch.equal(loaded.get_buffer("1.running_mean"), RAW.get_buffer("1.running_mean"))
    assert "took the buffers that ema.shadow lacks from model: 1.running_mean, 1.running_var" in (weights.note or "")


def test_parameters_are_never_taken_from_two_sets(tmp_path: Path) -> None:
    part = {name: tensor for name, tensor in averaged().items() if not name.startswith("3.")}
    assert "lacks 3.weight, 3.bias" in asked(tmp_path, {"model": raw(), "ema": part}, "ema+model")


def test_an_average_whose_buffers_are_nowhere_says_what_to_save(tmp_path: Path) -> None:
    assert "whole `state_dict()`" in asked(tmp_path, {"ema": dict(AVERAGED.named_parameters())})


def test_what_wrappers_made_of_a_weight_is_told_with_what_takes_them_off(tmp_path: Path) -> None:
    pruned, normed, old = some_network(1), some_network(1), some_network(1)
    prune.l1_unstructured(pruned[3], "weight", 0.5)
    parametrizations.weight_norm(normed[3])
    assert "prune.remove" in asked(tmp_path, pruned.state_dict())
    assert "remove_parametrizations" in asked(tmp_path, normed.state_dict())
    older = {name.replace("3.weight", "3.weight_g"): tensor for name, tensor in old.state_dict().items()}
    assert "remove_weight_norm" in asked(tmp_path, older)


def test_weights_that_are_spread_over_processes_say_how_they_are_gathered(tmp_path: Path) -> None:
    assert "zero_to_fp32.py" in asked(tmp_path, {"module": {name: torch.empty(0) for name in raw()}})


# Files that leave one reading: their content and what is said of them.
CLEAR: dict[str, tuple[Callable[[], object], str | None]] = {
    "a state dict": (raw, None),
    "torchvision's references": (
        lambda: {"model": raw(), "optimizer": optimizer(), "epoch": 3},
        "took model (9 tensors); passed over optimizer, epoch",
    ),
    "the same weights twice": (
        lambda: {"model": raw(), "ema": raw()},
        "took model (9 tensors); the same weights are in ema; passed over ema",
    ),
    "another network beside it": (
        lambda: {"generator": raw(), "discriminator": nn.Sequential(*[nn.Linear(2, 2)] * 9).state_dict()},
        "took generator (9 tensors); passed over discriminator",
    ),
    "DistributedDataParallel": (lambda: prefixed("module.", raw()), "took the prefix 'module.' off the names"),
    "torch.compile": (lambda: prefixed("_orig_mod.", raw()), "took the prefix '_orig_mod.' off the names"),
    "both": (lambda: prefixed("module._orig_mod.", raw()), "took the prefix 'module._orig_mod.' off the names"),
    "Lightning": (
        lambda: {"state_dict": prefixed("model.", raw()), "callbacks": {"best_model_path": "x"}, "loops": {}},
        "took state_dict (9 tensors); took the prefix 'model.' off the names; passed over callbacks, loops",
    ),
    "a wrapper around a wrapper": (lambda: prefixed("net.backbone.", raw()), "took the prefix 'net.backbone.' off"),
    "compiled in parts": (
        lambda: {name.replace(".", "._orig_mod.", 1): one for name, one in raw().items()},
        "took '_orig_mod' out of the names",
    ),
    "parallel in parts": (
        lambda: prefixed("net.", {name.replace(".", ".module.", 1): one for name, one in raw().items()}),
        "took the prefix 'net.' off the names; took 'module' out of the names",
    ),
    "an average with its counter": (
        lambda: AveragedModel(RAW).state_dict(),
        "took module (9 tensors); passed over n_averaged (1 tensor)",
    ),
    "a loss with weights of its own": (
        lambda: {"state_dict": prefixed("net.", raw()) | {"criterion.weight": torch.ones(5)}},
        "took state_dict.net (9 tensors); passed over criterion (1 tensor)",
    ),
    "operations that were counted": (
        lambda: raw() | {f"{part}total_ops": torch.zeros(1) for part in ("", "0.", "3.")},
        "passed over total_ops (3 tensors)",
    ),
    "pairs": (lambda: {"model": [*raw().items()]}, "took model (9 tensors)"),
}


@pytest.mark.parametrize("form", CLEAR)
def test_a_file_that_leaves_one_reading_is_taken_and_it_is_said(tmp_path: Path, form: str) -> None:
    make, said = CLEAR[form]
    loaded, weights = load(tmp_path, make())
    assert is_raw(loaded)
    assert weights.note == said if said is None else said in (weights.note or "")


def test_layers_beside_the_prefix_are_left_out_on_demand_only(tmp_path: Path) -> None:
    content = {"state_dict": prefixed("backbone.", raw()) | {"head.weight": torch.ones(2, 5)}}
    assert "beside them head.weight" in asked(tmp_path, content)
    loaded, weights = load(tmp_path, content, "state_dict.backbone")
    assert is_raw(loaded)
    assert "passed over head (1 tensor)" in (weights.note or "")


def test_sets_none_of_which_fits_are_named(tmp_path: Path) -> None:
    sentence = asked(tmp_path, {"g": nn.Linear(2, 2).state_dict(), "h": nn.Linear(7, 7).state_dict()})
    assert "holds 2 sets of tensors, and none fits Sequential: g (2 tensors), h (2 tensors)" in sentence


@pytest.mark.parametrize(("content", "expression"), [(RAW, ""), ({"model": RAW, "epoch": 2}, "['model']")])
@pytest.mark.parametrize("is_zip", [True, False])
def test_a_whole_model_is_refused_with_the_lines_that_make_weights_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: object, expression: str, is_zip: bool
) -> None:
    torch.save(content, tmp_path / "model.pth", _use_new_zipfile_serialization=is_zip)
    with pytest.raises(
        CheckpointError, match=r"holds a whole pickled model \(torch.nn.modules.container.Sequential\)"
    ) as it:
        load_checkpoint(network, tmp_path / "model.pth")
    lines = [line.strip() for line in str(it.value).splitlines() if line.startswith("    ")]
    assert len(lines) == 3
    assert f"weights_only=False){expression}" in lines[1]
    monkeypatch.chdir(tmp_path)
    exec("\n".join(lines), {})  # noqa: S102 - they are what a user is told to run
    assert is_raw(load_checkpoint(network, tmp_path / "weights.pth")[0])
