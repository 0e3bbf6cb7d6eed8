"""The kind `vector`: rows of numbers."""
