"""What finished rows say: report, statistics, difference and choice, on DuckDB; imports output and sources."""
