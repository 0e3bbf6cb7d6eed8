"""Whether two halves belong together."""
