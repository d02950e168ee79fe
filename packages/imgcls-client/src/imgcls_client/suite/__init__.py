"""Preset tests of a deployment, in groups, each with what it proves."""
