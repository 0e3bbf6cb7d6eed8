"""From a labelled data set to a calibrated model."""
