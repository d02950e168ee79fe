"""Testing a deployment: what a check is, running the checks, telling of them.

Imports `load`, `predict`, `http` and imgcls_cerebrium.
"""
