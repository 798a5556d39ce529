"""Parts of networks, and how a network is built by its family's name.

factory.py  build a network by its family's name; read the settings of a family
layers.py   convolution and dropout that are faster on a CPU; checks of arguments
pooling.py  max-pooling that is faster on a CPU
"""
