"""Models as transformers keeps them: a repository of the Hugging Face hub, or a folder of the same form."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from imgcls_networks.errors import RequestError

HUB_PREFIX: Final = "hf/"
CONFIG_NAME: Final = "config.json"
ADAPTER_NAME: Final = "adapter_config.json"
# What names are made of on the hub; the revision is a branch, a tag or a commit.
_REPOSITORY: Final = re.compile(r"(?P<name>[\w.-]+(?:/[\w.-]+)?)(?:@(?P<revision>[^@\s]+))?")


@dataclass(frozen=True)
class HuggingFaceReference:
    """A model of transformers: `hf/OWNER/NAME@REVISION`, or a folder that `save_pretrained` wrote."""

    repository: str
    revision: str | None = None
    folder: Path | None = None

    @property
    def holds_weights(self) -> str:
        """The beginning of a sentence that says where the weights are."""
        return f"{str(self)!r} has its own weights"

    @property
    def name(self) -> str:
        """Short name, used for the output file."""
        return re.sub(r"[^\w.-]+", "_", self.repository.rpartition("/")[2])

    def __str__(self) -> str:
        if self.folder is not None:
            return str(self.folder)
        return f"{HUB_PREFIX}{self.repository}" + (f"@{self.revision}" if self.revision else "")


def parse_repository(text: str, revision: str | None = None) -> HuggingFaceReference:
    """Reads `hf/OWNER/NAME` or `hf/OWNER/NAME@REVISION`.

    Args:
        text: MODEL.
        revision: from `--revision`.

    Raises:
        RequestError: it is none, names two revisions, or transformers is not installed.
    """
    found = _REPOSITORY.fullmatch(text.removeprefix(HUB_PREFIX))
    if not found:
        raise RequestError(
            f"{text!r} names no model of the Hugging Face hub; write `hf/OWNER/NAME` or `hf/OWNER/NAME@REVISION`."
        )
    if revision and found["revision"]:
        raise RequestError(f"{text!r} names a revision already; leave `--revision {revision}` out.")
    _require_transformers(text)
    return HuggingFaceReference(found["name"], revision or found["revision"])


def parse_folder(folder: Path) -> HuggingFaceReference:
    """Takes a folder that has a configuration of transformers.

    Raises:
        RequestError: its configuration cannot be used, or transformers is not installed.
    """
    if not (folder / CONFIG_NAME).is_file():
        raise RequestError(
            f"{str(folder)!r} is an adapter of PEFT, a part of a model's weights; merge it first: "
            "`model.merge_and_unload().save_pretrained(FOLDER)`."
        )
    # In huggingface_hub's cache the folder of a commit says nothing to a user: models--OWNER--NAME/snapshots/COMMIT.
    whole = folder.resolve()
    name = whole.parents[1].name.rpartition("--")[2] if whole.parent.name == "snapshots" else whole.name
    reference = HuggingFaceReference(name, folder=folder)
    read_config(folder, str(reference))
    _require_transformers(str(reference))
    return reference


def read_config(folder: Path, model: str) -> dict[str, Any]:
    """Reads `config.json`, and looks at what must not be read by a library that acts on it.

    Args:
        folder: of the model.
        model: as a user calls it.

    Raises:
        RequestError: it is no configuration, asks for code of its own, or for something that an artifact does not have.
    """
    config = _json(folder / CONFIG_NAME, model)
    for name in (CONFIG_NAME, "preprocessor_config.json", "processor_config.json"):
        if (folder / name).is_file() and "auto_map" in (content := _json(folder / name, model)):
            given: Any = content["auto_map"]
            code = next(iter(given.values()), "none") if isinstance(given, dict) else given
            raise RequestError(
                f"{model!r} brings Python code of its own ({code}, named by `auto_map` in its {name}), which is never "
                "run. Take a model whose class is in transformers, or give the network as FILE.py:FACTORY with "
                "`--weights`."
            )
    if quantized := config.get("quantization_config"):
        method = quantized.get("quant_method") if isinstance(quantized, dict) else quantized
        raise RequestError(
            f"The weights of {model!r} are quantised ({method}); an artifact is made from float weights, and "
            "`--precision int8` or fp16 reduces them. Take the model that it was quantised from."
        )
    if (kind := str(config.get("problem_type"))) in {"multi_label_classification", "regression"}:
        raise RequestError(
            f"{model!r} is for {kind.replace('_', ' ')}: each of its outputs stands for itself. An artifact gives one "
            "class per image, with probabilities that sum to 1, and would answer otherwise than this model."
        )
    if ":" in (architecture := str(config.get("architecture", ""))):
        raise RequestError(
            f"The config.json of {model!r} names another place ({architecture!r}) as its architecture, which is not "
            "looked into; name that model, or write the architecture's own name into the file."
        )
    return config


def _json(path: Path, model: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise RequestError(f"The {path.name} of {model!r} cannot be read: {error}.") from error
    if not isinstance(content, dict):
        raise RequestError(
            f"The {path.name} of {model!r} holds no object; `save_pretrained` of transformers writes one."
        )
    return content


def _require_transformers(model: str) -> None:
    if find_spec("transformers") is None:
        raise RequestError(
            f"{model!r} needs the library transformers, which is not installed: "
            "`pip install imgcls-convert[transformers]`."
        )
