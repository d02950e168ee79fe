"""A conversion's images: which are recorded, which calibrate, which judge. Imports no other room."""
