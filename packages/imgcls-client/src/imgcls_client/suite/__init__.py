"""Testing a deployment: what a check is, running the checks, telling of them.

Imports `load`, `predict`, imgcls_sdk and imgcls_cerebrium.
"""
