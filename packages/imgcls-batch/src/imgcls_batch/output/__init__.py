"""What stands in OUTPUT: objects that appear whole, the run's document, its manifest and its rows; imports sources."""
