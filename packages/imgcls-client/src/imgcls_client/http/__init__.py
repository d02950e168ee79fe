"""Calling a deployment over HTTP: one call, its answer, what is tried again, the two clients. Imports errors alone."""
