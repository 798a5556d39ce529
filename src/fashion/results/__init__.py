"""From predictions to figures: scores, the comparison of all systems, what of it is chance."""
