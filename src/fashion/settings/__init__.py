"""Types for the sections of `params.yaml`. Importing them is cheap: they need no torch, pandas or SciPy.

model.py       sections `train`, `finetune`, `model` and `variants`
ingest.py      section `ingest`
split.py       section `split`
augment.py     section `augment`
fields.py      types of single values, with their limits; names of classes and images
frame.py       what the images of a data set are fitted to, and limits of its size
parsing.py     read YAML, check it against a type, explain errors
"""
