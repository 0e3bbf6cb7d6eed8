"""The exact fit of two halves, edge on edge."""
