"""Versions of artifacts in a folder or object store, gated by their evaluation; imports evaluation and data."""
