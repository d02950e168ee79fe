"""Admission, batching and the worker threads that decode and infer; imports core and the service's errors alone."""
