"""Cerebrium before a deployment: its configuration, limits, prices and upload; imports the Dockerfile's reader alone.

What is asked of an app that runs there (its address, its REST API) is `imgcls_client.cerebrium`.
"""
