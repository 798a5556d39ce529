"""What every network is built of: layers, pooling, and the way from a family's name to a network."""
