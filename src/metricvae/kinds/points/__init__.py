"""Point clouds in the plane and in space."""
