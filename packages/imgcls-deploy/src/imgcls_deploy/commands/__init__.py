"""The commands, one module each: parse, call one function, print; may import everything else."""
