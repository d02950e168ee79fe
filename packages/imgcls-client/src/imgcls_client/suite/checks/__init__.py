"""The checks themselves, one module for each group, each with what it proves. Imports what the suite does."""
