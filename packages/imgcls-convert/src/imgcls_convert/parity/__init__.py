"""Whether an artifact answers as it should: the conversion's gate, `verify`, `diff`. Imports the rooms below it."""
