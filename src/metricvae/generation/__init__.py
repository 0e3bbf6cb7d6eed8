"""Objects generated to constraints, each verified by an exact solver."""
