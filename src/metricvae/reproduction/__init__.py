"""The paper's tables and figures: the numbers, the tests, the pictures, and the report that shows them."""
