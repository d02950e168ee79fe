"""Image classifiers of the library transformers, where a user has installed it."""

from __future__ import annotations

import contextlib
import importlib
import warnings
from collections import Counter
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import torch
from imgcls_cli.progress import Progress
from imgcls_core.artifact import ClassInfo
from torch import nn

from imgcls_networks.architectures.found import FoundNetwork, WeightsFile
from imgcls_networks.architectures.image_processor import ProcessedImages, read_processor
from imgcls_networks.errors import CheckpointError, RequestError
from imgcls_networks.exception_text import one_line
from imgcls_networks.models.hub import fetch_configuration, fetch_weights, weight_files
from imgcls_networks.models.hugging_face import HuggingFaceReference, read_config
from imgcls_networks.weights.checkpoint import named_tensors, read_checkpoint
from imgcls_networks.weights.choice import some


def find_transformers(model: HuggingFaceReference, num_classes: int | None, *, own_weights: bool) -> FoundNetwork:
    """Finds out what transformers knows of a model.

    Args:
        model: what was asked for.
        num_classes: length of the output that was asked for; it must be the model's own.
        own_weights: never; the model has its own.

    Raises:
        RequestError: the hub has no such model, or it is no image classifier that an artifact could be.
        DownloadError: the hub cannot be reached.
    """
    folder = model.folder or fetch_configuration(model.repository, model.revision)
    read_config(folder, str(model))
    with _quiet():
        config, network_class = _network_class(folder, str(model))
        processed, why_not = _processor(folder, config, str(model))

    def load(progress: Progress) -> tuple[nn.Module, WeightsFile]:
        if model.folder is None:
            progress.step(f"Fetching {model}")
            fetch_weights(model.repository, folder)
        with _quiet():
            return _load(network_class, config, folder, progress)

    return FoundNetwork(
        name=model.name,
        architecture=f"transformers.{network_class.__name__}",
        build=lambda: network_class(config),
        asked_classes=num_classes,
        classes=_classes(config, str(model)),
        load=load,
        preprocessing=processed.preprocessing if processed else None,
        prepare=processed.prepare if processed else None,
        other_preparations=processed.others if processed else {},
        no_preprocessing=why_not,
    )


def _network_class(folder: Path, model: str) -> tuple[Any, Any]:
    """Gives the configuration and the class of the network, which gives one row of logits for `pixel_values`."""
    transformers: Any = importlib.import_module("transformers")
    try:
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # whatever a library makes of a file that anybody may have written
        raise RequestError(
            f"transformers {transformers.__version__} cannot read the config.json of {model!r}: {one_line(error)}."
        ) from error
    if isinstance(own := getattr(config, "model_args", None), dict) and own.get("num_classes") == config.num_labels:
        del own["num_classes"]  # timm writes it, and the wrapper of transformers would give it twice
    known = transformers.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING
    named = list(getattr(config, "architectures", None) or [])
    try:
        classes = known[type(config)]
    except KeyError as error:
        raise RequestError(
            f"{model!r} is a {named[0] if named else type(config).__name__}, and of its kind transformers "
            f"{transformers.__version__} has no image classifier."
        ) from error
    except ImportError as error:
        raise RequestError(f"{model!r} needs a library that is not installed: {one_line(error)}.") from error
    classes = classes if isinstance(classes, tuple) else (classes,)
    found = next((entry for entry in classes if entry.__name__ in named), None if named else classes[0])
    if found is None:
        raise RequestError(
            f"{model!r} was saved as {named[0]}, which has no classes to name; fine-tune it as {classes[0].__name__} "
            "and convert what that saves."
        )
    if found.main_input_name != "pixel_values":
        raise RequestError(
            f"{model!r} is a {found.__name__}, which takes {found.main_input_name!r} instead of the pixels of an image."
        )
    return config, found


def _processor(folder: Path, config: Any, model: str) -> tuple[ProcessedImages | None, str | None]:  # noqa: ANN401
    try:
        return read_processor(folder, config, model), None
    except RequestError as error:
        return None, str(error)


def _load(network_class: Any, config: Any, folder: Path, progress: Progress) -> tuple[nn.Module, WeightsFile]:  # noqa: ANN401
    file = weight_files(folder)[0]
    checkpoint = read_checkpoint(file)
    tensors = named_tensors(checkpoint)
    try:
        network, info = network_class.from_pretrained(
            None,
            config=config,
            state_dict=tensors,
            dtype=torch.float32,
            attn_implementation="eager",  # a configuration may name code of the hub
            output_loading_info=True,
        )
    except Exception as error:  # whatever the library makes of the weights
        own = {key: list(tensor.shape) for key, tensor in network_class(config).state_dict().items()}
        if other := [key for key in tensors if key in own and list(tensors[key].shape) != own[key]]:
            key = other[-1]
            raise CheckpointError(
                f"The weights {file.name!r} of {str(folder)!r} do not fit {network_class.__name__} by its config.json: "
                f"{key} is {list(tensors[key].shape)}, and {own[key]} by the configuration, whose id2label names "
                f"{config.num_labels} classes. Put the config.json of these weights beside them, or correct it."
            ) from error
        raise CheckpointError(
            f"The weights {file.name!r} of {str(folder)!r} do not fit {network_class.__name__}: {one_line(error)}."
        ) from error
    if missing := sorted(info["missing_keys"]):
        raise CheckpointError(
            f"The weights {file.name!r} of {str(folder)!r} lack {some(missing)} of {network_class.__name__}, "
            "which transformers would fill with random numbers; fine-tune the model and convert what that saves."
        )
    if extra := sorted(info["unexpected_keys"]):
        progress.note(f"{file.name} also holds {some(extra)}, which {network_class.__name__} does not use")
    if broken := sorted(key for key, value in network.state_dict().items() if not bool(value.isfinite().all())):
        raise CheckpointError(
            f"The weights {file.name!r} hold NaN or infinite values in {some(broken)}; their training has diverged."
        )
    return network, WeightsFile(file, checkpoint.sha256)


def _classes(config: Any, model: str) -> tuple[ClassInfo, ...]:  # noqa: ANN401 - of transformers
    names: Mapping[int, Any] = {int(key): value for key, value in config.id2label.items()}
    if sorted(names) != list(range(len(names))):
        raise RequestError(
            f"The id2label of {model!r} numbers its {len(names)} classes {min(names)} to {max(names)}, and not 0, 1, "
            "2, … without gaps; number them so in its config.json, in the order of the network's outputs."
        )
    times = Counter(str(name) for name in names.values())
    # ImageNet has two of crane and maillot each; their numbers keep them apart.
    labels = (f"{names[i]} ({i})" if times[str(names[i])] > 1 else str(names[i]) for i in range(len(names)))
    return tuple(ClassInfo(i, label.strip() or f"class_{i}") for i, label in enumerate(labels))


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """Keeps what the library tells its developers from a user."""
    logging: Any = importlib.import_module("transformers.utils.logging")
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
