"""How good a model is on a split: accuracy, confusions, calibration; imports data."""
