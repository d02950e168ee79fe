"""Where images are and how their bytes are read; may import core's errors, fsspec and pyarrow, no other room."""
