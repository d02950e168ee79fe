"""Several processes that serve as one: started, counted and reloaded together; may import `models` and below."""
