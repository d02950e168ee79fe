"""Admission, decoding, batching and inference on worker threads; knows nothing of HTTP."""
