"""Best correlation of the maps of two molecules, from their atoms."""
