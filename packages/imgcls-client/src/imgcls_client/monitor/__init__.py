"""Watching a deployment over time: passes, what is kept of them, rules, alerts, reports.

Imports `load`, `predict`, `http` and imgcls_cerebrium.
"""
