"""Indexes of encoded objects, and retrieval from them."""
