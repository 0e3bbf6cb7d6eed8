"""Best correlation of two density maps."""
