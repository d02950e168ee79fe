"""Many images through one client: where they come from, their answers, how these are written. Imports imgcls_sdk."""
