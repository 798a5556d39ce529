"""Benchmarks: each writes its results as JSON, and its tables into README and docs.

engine.py       training speed of the engine, a plain PyTorch loop, skorch and Lightning (`make bench`)
loops.py        the training loops that engine.py compares
final_model.py  the final model trained on corrupted images, and with several widths and numbers of epochs
precision.py    accuracy of three variants in fp32 and bf16
other_data.py   accuracy of the final model and of scikit-learn's classifiers on other data sets
small_data.py   a single split, folds and a refit on few images
uneven_data.py  class weights, and lists of labels that are probably wrong
pretrained.py   a pretrained network, and one that is trained from nothing
scaling.py      `abreast repro` on the workers of a Dask cluster
durations.json  seconds of each stage in the run that made the results in git
results/        results of engine.py, a file for each instruction set

`python -m tools.validate --write` updates the tables of all pages from the results.
"""
