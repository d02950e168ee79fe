"""Classifies any number of images with an artifact: one row for every image, always. The commands are in `cli`."""

__version__ = "0.1.0"
