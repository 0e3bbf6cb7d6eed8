"""What kinds that are read from picture files share."""
