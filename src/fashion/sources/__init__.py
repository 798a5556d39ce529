"""Raw files to arrays: read or download what `data/raw` has, check it, and bring images to one size.

ingest.py    read a data set from one of the three sources
folder.py    image files in folders: PNG, JPEG, BMP, WebP, TIFF
table.py     CSV tables with a column for each pixel
idx.py       the IDX format of MNIST
fetch.py     download IDX files from mirrors or from Debian
resizing.py  resize images to one square size, and pad them
"""
