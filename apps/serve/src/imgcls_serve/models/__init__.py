"""The models that are served: their files, which are loaded; may import observing, scheduler, errors and core."""
