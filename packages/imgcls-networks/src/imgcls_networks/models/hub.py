"""Files of a model from the Hugging Face hub, by huggingface_hub's own rules for cache, token, address and offline."""

from __future__ import annotations

import importlib
import json
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from imgcls_contract.bounds import SHORT_ANSWER, Bounds, BoundsError, bounded, limit
from imgcls_contract.bounds import WEIGHTS as WEIGHTS_BOUNDS

from imgcls_networks.errors import CheckpointError, DownloadError, RequestError
from imgcls_networks.exception_text import root_cause

_CONFIGURATION: Final = ("preprocessor_config.json", "processor_config.json")
# In order of preference: safetensors cannot hold code.
WEIGHTS: Final = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)


def fetch_configuration(repository: str, revision: str | None) -> Path:
    """Gives the folder of the cache where a model's configuration is.

    Raises:
        RequestError: the hub has no such model or revision, or shows it to nobody without a token.
        DownloadError: the hub cannot be reached, and the cache does not have it.
    """
    folder = _fetch(repository, "config.json", revision)
    if folder is None:
        raise RequestError(f"'hf/{repository}' has no config.json; it is no model of transformers.")
    for name in _CONFIGURATION:
        with suppress(DownloadError):  # an older cache may not know whether the model has it
            _fetch(repository, name, folder.name)
    return folder


def fetch_weights(repository: str, folder: Path) -> Path:
    """Brings the weights of the same commit into the folder that `fetch_configuration` gave. Raises as that does."""
    unreachable: DownloadError | None = None
    for name in WEIGHTS:
        try:
            if _fetch(repository, name, folder.name) is not None:
                for part in weight_files(folder)[1:]:
                    _fetch(repository, part.name, folder.name)
                return folder
        except DownloadError as error:
            unreachable = unreachable or error
    if unreachable is not None:
        raise unreachable
    return folder


def weight_files(folder: Path) -> list[Path]:
    """Gives the file of weights, or the index and its parts.

    Raises:
        CheckpointError: there is none, or the index is damaged.
    """
    found = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if found is None:
        raise CheckpointError(
            f"{str(folder)!r} has no weights: none of {', '.join(WEIGHTS)} is there. Write them with "
            "`model.save_pretrained(FOLDER)`."
        )
    if found.suffix != ".json":
        return [found]
    try:
        names = sorted(set(json.loads(found.read_bytes())["weight_map"].values()))
        if any(not isinstance(name, str) or Path(name).name != name for name in names):
            raise ValueError("it names a file elsewhere")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"The index {found.name!r} of {str(folder)!r} is damaged: {error}.") from error
    return [found, *(folder / name for name in names)]


@contextmanager
def bounded_hub(bounds: Bounds) -> Generator[Any]:
    """Gives huggingface_hub, whose answers in the block cost no more in all.

    They come through its HTTP client alone: what fetches for it from Xet's store has no bounds that could be set.

    Raises:
        BoundsError: they cost more.
    """
    hub: Any = importlib.import_module("huggingface_hub")
    limit(hub.get_session())
    constants: Any = importlib.import_module("huggingface_hub.constants")
    without_xet, constants.HF_HUB_DISABLE_XET = constants.HF_HUB_DISABLE_XET, True
    try:
        with bounded(bounds):
            yield hub
    finally:
        constants.HF_HUB_DISABLE_XET = without_xet


def _fetch(repository: str, name: str, revision: str | None) -> Path | None:
    """Gives the folder that the file is in; None where the model has no such file."""
    endpoint = importlib.import_module("huggingface_hub.constants").ENDPOINT
    bounds = SHORT_ANSWER if name.endswith(".json") else WEIGHTS_BOUNDS
    errors: Any = importlib.import_module("huggingface_hub.errors")
    model = f"hf/{repository}" + (f"@{revision}" if revision else "")
    try:
        with bounded_hub(bounds) as hub:
            if hub.try_to_load_from_cache(repository, name, revision=revision) is None and not hub.is_offline_mode():
                # Asked once: what cannot be resolved or does not answer the download itself tries for half a minute.
                hub.get_hf_file_metadata(hub.hf_hub_url(repository, name, revision=revision))
            return Path(hub.hf_hub_download(repository, name, revision=revision)).parent
    except errors.LocalEntryNotFoundError as error:
        raise _unreachable(repository, revision, root_cause(error)) from error
    except errors.EntryNotFoundError:
        return None
    except errors.GatedRepoError as error:
        raise RequestError(
            f"{model!r} is shown to those alone who have accepted its terms: accept them on the hub, then say who you "
            "are with HF_TOKEN or `hf auth login`."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise RequestError(
            f"'hf/{repository}' has no revision {revision!r}; name a branch, a tag or a commit."
        ) from error
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        raise RequestError(
            f"The hub ({endpoint}) has no model {repository!r}, or it is private: then say who you are "
            "with HF_TOKEN or `hf auth login`. A folder of your own is `./NAME`."
        ) from error
    except BoundsError as error:
        raise _unreachable(repository, revision, f"its answer {error}") from error
    except Exception as error:  # whatever its HTTP client or the disk raise
        raise _unreachable(repository, revision, root_cause(error)) from error


def _unreachable(repository: str, revision: str | None, reason: str) -> DownloadError:
    constants: Any = importlib.import_module("huggingface_hub.constants")
    asked = "no question was asked, because HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else reason
    return DownloadError(
        f"hf/{repository}",
        [
            f"{constants.ENDPOINT}/{repository} at revision {revision or 'main'} ({asked})",
            f"the cache {constants.HF_HUB_CACHE} (it is not there)",
        ],
        instead=f"Run `hf download {repository}` where the hub can be reached, and name the folder that it prints as "
        "MODEL, or set HF_ENDPOINT or HF_HOME.",
    )
