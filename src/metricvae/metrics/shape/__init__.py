"""Maximum overlap volume of two molecules."""
