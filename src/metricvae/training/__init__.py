"""Training: configuration, batches, steps, optimisers, checkpoints."""
