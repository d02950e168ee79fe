"""Look at a dataset, train, evaluate and publish: `fit`, `evaluate`. The commands are in `imgcls_train.cli`.

The public names below are imported on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imgcls_networks.errors import RequestError

    from imgcls_train.api import EvaluationReport, FitReport, evaluate, fit
    from imgcls_train.errors import DatasetError, RunError, TrainError

__all__ = ["DatasetError", "EvaluationReport", "FitReport", "RequestError", "RunError", "TrainError", "evaluate", "fit"]

_HOME = {
    "EvaluationReport": "imgcls_train.api",
    "FitReport": "imgcls_train.api",
    "RequestError": "imgcls_networks.errors",
    "evaluate": "imgcls_train.api",
    "fit": "imgcls_train.api",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - module __getattr__ returns whatever the name stands for
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME.get(name, "imgcls_train.errors")), name)
