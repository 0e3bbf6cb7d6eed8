"""Maximum overlap of two silhouettes."""
