"""What is told of a conversion or an artifact: as data, text and pages. Imports `parity`."""
