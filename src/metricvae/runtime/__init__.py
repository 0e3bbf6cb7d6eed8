"""Files, processes, clusters, progress, numerical precision."""
