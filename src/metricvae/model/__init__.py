"""What is learned: encoders, decoders, metric heads, the four losses, training and checkpoints."""
