"""Molecules that are made by editing others, and what can be required of them."""
