"""Putting load on a deployment and measuring every answer. Imports `http`."""
