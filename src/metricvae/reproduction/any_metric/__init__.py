"""Metrics that nobody built in, labelled by other libraries and learned with one command, beside baselines."""
