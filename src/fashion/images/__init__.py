"""Arrays of images to arrays of images.

split.py                split the labelled images into training, validation and test
copies.py               four fixed copies of each training image: original, flip, zoom, flipped zoom
augmentation.py         random augmentation of each batch
robustness.py           corrupted test images: shift, rotation, noise, contrast
background.py           fill pixels where there is no image
out_of_distribution.py  images of other things: digits, letters, photographs, noise
"""
