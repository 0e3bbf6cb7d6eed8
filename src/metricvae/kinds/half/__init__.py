"""The kind `half`: pieces of silhouettes that were cut in two."""
