"""From encoded bytes to the pixels that a network takes; imports `artifact` and what stands beside it."""
