"""What a dataset looks like before training: every image examined once, copies found, findings told; imports data."""
