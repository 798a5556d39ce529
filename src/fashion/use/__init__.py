"""A trained model in people's hands: images from anywhere, answers, other formats. Needs the model file alone."""
