"""The model that comes with the package: where its folder lies, and what is said of it before it is converted."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Final

from imgcls_networks.errors import RequestError
from imgcls_networks.models.trained_model import CARD_NAME, WEIGHTS_NAME

BUNDLED: Final = "everyday100"
DATASET: Final = "Tiny ImageNet, 100 classes"


def bundled_folder() -> Path:
    """Gives the trained model's folder inside the package.

    Raises:
        RequestError: the package is incomplete.
    """
    folder = Path(str(resources.files("imgcls_networks") / "data" / BUNDLED))
    if missing := [name for name in (CARD_NAME, WEIGHTS_NAME) if not (folder / name).is_file()]:
        raise RequestError(
            f"The bundled model {BUNDLED} is missing from this installation: there is no {' and no '.join(missing)} in "
            f"{str(folder)!r}. Install imgcls-convert again."
        )
    return folder
