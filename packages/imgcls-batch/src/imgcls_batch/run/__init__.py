"""How shards become rows: the worker, the engines that drive workers, and what is told meanwhile; imports output."""
