"""Datasets on disk: their splits, layouts, classes and pixels; imports errors alone."""
