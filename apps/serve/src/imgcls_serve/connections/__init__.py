"""A socket before and around its requests: limits, fair places, quick refusals; may import `http` and below."""
