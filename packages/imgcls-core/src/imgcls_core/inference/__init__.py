"""An artifact on a runtime: which provider, its answers, its golden cases; may import every other room."""
