"""Putting load on a deployment and measuring every answer. Imports imgcls_sdk."""
