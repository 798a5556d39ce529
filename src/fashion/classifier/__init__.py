"""A trained model in use: its file, its preparation of images, the device, its predictions. Needs no training code."""
