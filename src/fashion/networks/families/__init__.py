"""Model families, one file each; `fashion.networks.building.factory` says what a family's file contains.

mlp.py           multilayer perceptrons
cnn.py           convolutions with pooling, then linear layers
ramped_cnn.py    the same with BatchNorm everywhere and dropout that increases with depth
whitened_cnn.py  the network of the final model: whitened patches, identity initialisation, one linear layer
"""
