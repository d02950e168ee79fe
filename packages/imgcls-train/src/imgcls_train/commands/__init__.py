"""The commands; each imports its work when it runs."""
