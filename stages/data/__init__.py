"""Raw files to training, validation and test images.

ingest.py   read or download the raw files; make arrays of one size
split.py    split the labelled images into training, validation and test images
augment.py  write flipped and zoomed copies of the training and validation images
"""
