"""Train, compare and ship classifiers for small grey images. Knows nothing of DVC or of where files lie."""
