"""The kind `sequence-words`: sequences as counts of their words."""
