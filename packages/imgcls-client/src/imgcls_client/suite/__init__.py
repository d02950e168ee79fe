"""Testing a deployment: what a check is, running the checks, telling of them.

Imports `load`, `predict`, `cerebrium` and `http`.
"""
