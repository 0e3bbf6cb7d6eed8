"""The interfaces that everything else speaks: kinds, metrics, data sets, errors."""
