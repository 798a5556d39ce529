"""Neural networks, from a family's name and its arguments.

building/  layers, pooling, and the factory that builds a network by its family's name
families/  model families, one file each
"""
