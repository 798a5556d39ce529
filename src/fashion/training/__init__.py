"""From settings and arrays to a trained classifier and the history of its training."""
