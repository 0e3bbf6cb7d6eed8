"""HTML pages that need no other file and no network: their frame, and what they hold."""
