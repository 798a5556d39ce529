"""Run the stages of any DVC project side by side."""
