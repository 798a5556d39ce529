"""Raw files to arrays: read or download what `data/raw` has, check it, and bring images to one size.

ingest.py      read a data set from one of the three sources
folder.py      find image files, with their classes and parts, in folders
table.py       CSV tables with a column for each pixel
idx_files.py   find or download the four files of MNIST's format
idx.py         the IDX format of MNIST
fetch.py       download IDX files from mirrors or from Debian
raw_data.py    images with their files, classes and parts, before they are read
image_file.py  read an image file of any format and mode
survey.py      look at all images, and decide the frame from the training images
resizing.py    resize images to fit a frame, and pad them
notes.py       what the owner of the images should know: colour, depth, sizes, copies, small classes
"""
