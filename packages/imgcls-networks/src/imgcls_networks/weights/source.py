"""Where a file of weights can be had."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imgcls_networks.errors import RequestError

# What the libraries of Hugging Face name weights in a folder, the better form first.
_FOLDER_FILES: Final = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
# Files beside these that hold weights of another kind (averages, further models) and not the state of a training.
_MORE_WEIGHTS: Final = re.compile(
    r"^(?!(pytorch_)?model(-\d+-of-\d+)?\.(safetensors|bin)$)"
    r"(?!.*(optim|sched|scaler|random|rng|args|trainer|custom_checkpoint)).*\.(safetensors|bin|pt|pth|ckpt)$"
)


@dataclass(frozen=True)
class WeightsSource:
    """Where a file can be had.

    Args:
        url: http or https.
        sha256: of the file, whole or its first hex digits as torchvision writes them into file names; None when
            nobody has pinned it.
    """

    url: str
    sha256: str | None = None

    @classmethod
    def parse(cls, url: str) -> WeightsSource:
        """Reads `URL` or `URL#sha256=HEX`, the form that pip uses."""
        address, _, fragment = url.partition("#")
        return cls(address, fragment.removeprefix("sha256=").lower() if fragment.startswith("sha256=") else None)


def parse_weights(text: str) -> Path | WeightsSource:
    """Reads what `--weights` names: a file or an address.

    Raises:
        RequestError: there is no such file, or it is a folder without weights, or with several that could be meant.
    """
    if text.startswith(("http://", "https://")):
        return WeightsSource.parse(text)
    path = Path(text)
    if path.is_dir():
        found = weights_in(path)
        if others := [one.name for one in sorted(path.iterdir()) if _MORE_WEIGHTS.search(one.name)]:
            raise RequestError(
                f"{text!r} holds {found.name} and {', '.join(others[:3])}, which may be other weights. Name the file: "
                f"`--weights {path / found.name}`."
            )
        return found
    if not path.is_file():
        raise RequestError(f"There is no checkpoint at {text!r}; `--weights` takes a file, a folder or a URL.")
    return path


def weights_in(folder: Path) -> Path:
    """Gives the file of weights in a folder, or the index of several.

    Raises:
        RequestError: it has none.
    """
    if found := next((folder / name for name in _FOLDER_FILES if (folder / name).is_file()), None):
        return found
    if (folder / ".metadata").is_file():
        raise RequestError(
            f"{str(folder)!r} is a distributed checkpoint; make one file of it: "
            f"`python -m torch.distributed.checkpoint.format_utils dcp_to_torch {folder} weights.pth`."
        )
    held = ", ".join(sorted(entry.name for entry in folder.iterdir())[:5]) or "nothing"
    raise RequestError(
        f"There is no checkpoint in the folder {str(folder)!r}, neither {' nor '.join(_FOLDER_FILES[::2])}; it has "
        f"{held}. Name the file."
    )
