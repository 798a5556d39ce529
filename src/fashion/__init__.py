"""Train, compare and ship classifiers for small grey images.

cli.py           the command `fashion`
init.py          write params.yaml for your own images
own_images.yaml  the template of that params.yaml
params.py        all sections of params.yaml, checked
errors.py        the exception for bad input
files.py         write files atomically; JSON, CSV and .npy
settings/        types for the sections of params.yaml
sources/         read raw files into arrays: image folders, CSV tables, IDX files
images/          arrays to arrays: split, augmentation, corruptions
networks/        model families and their layers
training/        from settings and arrays to a classifier
classifier/      a trained classifier: prepare images, predict, save to a file
inference/       label images of any size, export to ONNX
results/         metrics, comparisons, figures and the report

Nothing here imports DVC. The paths of a project's files are in stages/paths.py; the stages pass them in.
"""
