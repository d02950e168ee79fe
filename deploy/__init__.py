"""Checks of what is deployed: `cerebrium.toml` against the platform's rules, the Dockerfile and the files it copies."""
