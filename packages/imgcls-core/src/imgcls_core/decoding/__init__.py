"""Decoding of images whose cost their header does not bound, in processes that can be ended; imports `images`."""
