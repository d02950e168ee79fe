"""What those who watch the process are told: metrics, drift, lines, traces, memory; may import scheduler and core."""
