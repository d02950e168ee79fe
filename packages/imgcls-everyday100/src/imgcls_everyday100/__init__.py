"""A model to look at before there is one of your own: the file and its place; may import nothing."""

from pathlib import Path
from typing import Final

__all__ = ["ARTIFACT"]

ARTIFACT: Final = Path(__file__).with_name("everyday100.onnx")
