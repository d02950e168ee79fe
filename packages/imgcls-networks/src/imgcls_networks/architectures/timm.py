"""Networks of the timm library, where a user has installed it."""

from __future__ import annotations

import importlib
from collections import Counter
from typing import Any, get_args

from imgcls_cli.progress import SilentProgress
from imgcls_contract.bounds import WEIGHTS
from imgcls_core.artifact import ClassInfo, Interpolation, Preprocessing
from PIL import __version__ as pillow_version
from torch import nn

from imgcls_networks.architectures.found import FoundNetwork
from imgcls_networks.errors import DownloadError, RequestError
from imgcls_networks.exception_text import one_line
from imgcls_networks.labels import read_labels
from imgcls_networks.models.hub import bounded_hub
from imgcls_networks.models.reference import TimmReference
from imgcls_networks.weights.download import fetch
from imgcls_networks.weights.source import WeightsSource


def find_timm(model: TimmReference, num_classes: int | None, *, own_weights: bool) -> FoundNetwork:
    """Finds out what timm knows of a model.

    Args:
        model: what was asked for.
        num_classes: length of the output; None takes the model's own.
        own_weights: a checkpoint follows, so that timm need not download its weights.

    Raises:
        RequestError: timm has no such model, or its preprocessing is one that artifacts do not have.
    """
    timm: Any = importlib.import_module("timm")
    try:
        config = timm.get_pretrained_cfg(model.timm_name, allow_unregistered=False)
    except RuntimeError as error:
        near = timm.list_models(f"*{model.timm_name.partition('.')[0][:8]}*")[:3]
        hint = f" Did you mean {', '.join(near)}?" if near else " `timm.list_models()` gives the names."
        raise RequestError(f"timm has no model {model.timm_name!r}.{hint}") from error
    options = {} if num_classes is None else {"num_classes": num_classes}

    def build() -> nn.Module:
        own_file: dict[str, Any] = {}
        if not own_weights and config.url and not config.hf_hub_id:  # timm would fetch it without any limit
            source = WeightsSource.parse(config.url)
            path = fetch([source], what=f"timm/{model.timm_name}", progress=SilentProgress())
            own_file = {"pretrained_cfg_overlay": {"file": str(path)}}
        try:
            with bounded_hub(WEIGHTS):
                return timm.create_model(model.timm_name, pretrained=not own_weights, **own_file, **options)
        except Exception as error:  # whatever timm, its hub client or the network raise
            if own_weights:
                raise RequestError(f"timm cannot make {model.timm_name!r}: {one_line(error)}.") from error
            raise DownloadError(model.timm_name, [f"timm's own download ({one_line(error)})"]) from error

    own_classes = num_classes is None or num_classes == config.num_classes
    details = config.to_dict()
    return FoundNetwork(
        name=model.name,
        architecture=f"timm.{model.timm_name}",
        build=build,
        asked_classes=num_classes,
        build_loads=True,
        preprocessing=timm_preprocessing(timm.data.resolve_data_config(pretrained_cfg=details), model.timm_name),
        classes=_classes(timm, details) if own_classes else None,
    )


def timm_preprocessing(config: dict[str, Any], name: str) -> Preprocessing:
    """Translates timm's data configuration of a model.

    Raises:
        RequestError: it is one that artifacts do not have.
    """
    _, height, width = config["input_size"]
    crop_pct, mode, interpolation = config["crop_pct"], config["crop_mode"], config["interpolation"]
    # timm trains some models with a filter chosen at random; it evaluates those with bilinear.
    interpolation = "bilinear" if interpolation == "random" else interpolation
    squash = mode == "squash" and crop_pct == 1.0
    if interpolation not in get_args(Interpolation) or not (squash or (mode == "center" and height == width)):
        raise RequestError(
            f"timm evaluates {name!r} with {interpolation} and crop mode {mode!r} ({crop_pct}), which an "
            "artifact cannot express; give `--resize`, `--crop` and a model whose preprocessing is a centre crop."
        )
    return Preprocessing(
        size=(height, width),
        resize_mode="squash" if squash else "shortest_edge",
        resize_size=None if squash else int(height / crop_pct),
        crop=None if squash else "center",
        interpolation=interpolation,
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        pillow=pillow_version,
    )


def _classes(timm: Any, config: dict[str, Any]) -> tuple[ClassInfo, ...] | None:  # noqa: ANN401 - timm has no types here
    subset = timm.data.infer_imagenet_subset(config)
    if subset is None:
        return None
    if subset == "imagenet-1k":
        return read_labels("imagenet1k")
    info = timm.data.ImageNetInfo(subset)
    names = [info.index_to_description(i) for i in range(config["num_classes"])]
    wnids = [info.index_to_label_name(i) for i in range(config["num_classes"])]
    # Synsets of the large lists share names; the WordNet id keeps them apart.
    times = Counter(names)
    return tuple(
        ClassInfo(i, f"{name} ({wnid})" if times[name] > 1 else name, wnid)
        for i, (name, wnid) in enumerate(zip(names, wnids, strict=True))
    )
