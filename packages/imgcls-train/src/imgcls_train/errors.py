"""What can go wrong, as one tree; each error carries the exit code of the command.

ImgclsError
├── RequestError          2  what was asked for cannot be done as asked (from imgcls_networks)
└── TrainError
    ├── DatasetError      2  the dataset is not there, or is not one of the known layouts
    ├── RunError          2  the run's folder holds something that does not fit what was asked
    ├── StoreError        3  the model store cannot be reached or read
    ├── WorseModelError   1  the new model is worse than the one it would replace
    └── OtherClassesError 1  the new model tells other classes apart than the one it would replace
"""

from typing import ClassVar

from imgcls_core.errors import ImgclsError


class TrainError(ImgclsError):
    """Base of the errors of this package."""

    exit_code: ClassVar[int] = 2


class DatasetError(TrainError):
    """The dataset is not there, or is not one of the known layouts."""

    code = "dataset"


class RunError(TrainError):
    """The run's folder holds something that does not fit what was asked."""

    code = "run"


class StoreError(TrainError):
    """The model store cannot be reached or read."""

    code = "store"
    exit_code = 3


class WorseModelError(TrainError):
    """The new model is worse than the one it would replace."""

    code = "worse_model"
    exit_code = 1


class OtherClassesError(TrainError):
    """The new model tells other classes apart than the one it would replace."""

    code = "other_classes"
    exit_code = 1
