"""The metric `match`: whether two halves are pieces of one shape, from one cut."""
