"""The metric `pocket-similarity`: how alike two binding sites are."""
