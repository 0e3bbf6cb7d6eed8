"""Objects decoded from codes, written symbol by symbol."""
