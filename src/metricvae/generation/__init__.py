"""Objects generated to constraints, each verified by an exact solver."""

ANSWERS_ASKED = 16
"""How many answers are made."""

SECONDS = 30.0
"""How long a search may take."""
