"""Cerebrium as the platform under a deployment: its addresses and its REST API."""
