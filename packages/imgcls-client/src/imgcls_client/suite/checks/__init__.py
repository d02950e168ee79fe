"""The checks themselves, one module for each group. Imports the suite's `check` and `deployment`, `http` and `load`."""
