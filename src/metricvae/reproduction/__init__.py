"""The paper's tables and figures: the numbers, the tests, the pictures, and the report that shows them."""

FIGURES = ("figure-1.1", "figure-1.2", "figure-1.3", "figure-1.4", "figure-1.5")
"""The figures that can be made anew."""
