"""Weights: where they can be had, fetched and loaded safely. Imports no other room."""
