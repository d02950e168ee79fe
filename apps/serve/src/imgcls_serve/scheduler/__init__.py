"""Admission, batching and the worker threads that decode and infer; imports decoding, errors and core."""
