"""Types for the sections of `params.yaml`. Importing them is cheap: they need no torch, pandas or SciPy.

model.py       sections `train`, `finetune`, `model` and `variants`
ingest.py      section `ingest`
split.py       section `split`
augment.py     section `augment`
fields.py      types of single values, with their limits; names of classes and images
image_size.py  limits of the image size that `auto` chooses
parsing.py     read YAML, check it against a type, explain errors
"""
