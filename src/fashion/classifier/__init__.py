"""A trained classifier: the network with everything needed to use it. Needs no training code.

classifier.py   the network, its settings and its predictions as one object
levels.py       count the levels of images
preparation.py  crop, resize and scale images for the network
prediction.py   compute logits in batches, averaged over views of each image
device.py       choose the device and the precision; configure PyTorch
model_file.py   save and load a classifier as a safetensors file
checksum.py     checksums that detect damaged files
"""
