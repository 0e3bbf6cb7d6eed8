"""Objects of each metric, and what labels their pairs."""
