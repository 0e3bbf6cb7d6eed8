"""The exact solver of the metric `match`: the pose in which two halves fit, edge on edge."""
