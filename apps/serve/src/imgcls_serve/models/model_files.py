"""Which artifacts a folder holds: plain files, and models of a store that `imgcls-train` publishes into."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from imgcls_core.errors import ArtifactError

SUFFIX = ".onnx"
_POINTER = "latest.json"
_VERSION = re.compile(r"sha256-([0-9a-f]{64})")


class ArtifactDamagedError(ArtifactError):
    """A published artifact whose content is not the one that its version is named after."""

    code = "artifact_damaged"

    def __init__(self, path: Path, *, expected: str, actual: str) -> None:
        super().__init__(
            f"{str(path)!r} was published with SHA-256 {expected[:12]}… and has {actual[:12]}…: the copy is damaged or "
            "not complete. Fetch it again, such as with `imgcls-train pull`."
        )


def find_artifacts(folder: Path) -> dict[str, Path]:
    """Gives the artifacts of a folder by name.

    `NAME.onnx` is a model by itself. A folder `NAME` with a `latest.json` is one of a store: the version that it
    names is taken, also when it is not there (yet), as in a copy that is not complete: loading it then says so. Where
    both are there the plain file counts.

    Raises:
        OSError: the folder cannot be read.
    """
    files = {path.stem: path for path in sorted(folder.glob(f"*{SUFFIX}"))}
    for pointer in sorted(folder.glob(f"*/{_POINTER}")):
        files.setdefault(pointer.parent.name, _latest(pointer))
    return files


def check_published(path: Path, sha256: str) -> None:
    """Raises if the file lies in a version's folder that is named after another hash.

    Raises:
        ArtifactDamagedError: it does.
    """
    version = _VERSION.fullmatch(path.parent.name)
    if version is not None and version[1] != sha256:
        raise ArtifactDamagedError(path, expected=version[1], actual=sha256)


def _latest(pointer: Path) -> Path:
    try:
        content: Any = json.loads(pointer.read_bytes())
        version = str(content["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return pointer  # which is no artifact, as loading it will say
    # Only a version's name is followed: a pointer may not lead out of its folder.
    return pointer.parent / version / f"{pointer.parent.name}{SUFFIX}" if _VERSION.fullmatch(version) else pointer
