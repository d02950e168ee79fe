"""Watching a deployment over time: passes, what is kept of them, rules, alerts, reports.

Imports `load`, `predict`, imgcls_sdk and imgcls_cerebrium.
"""
