"""Pockets as counts of what lines them."""
