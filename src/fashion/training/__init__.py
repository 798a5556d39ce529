"""Training: from settings and arrays to a classifier and the history of its training.

train.py        one call from settings and arrays to a classifier
trainer.py      the training loop over phases, epochs and batches
phase_state.py  what one phase needs beside the network, and how far it is
optimizers.py   optimisers, learning-rate schedules, and Lookahead
pruning.py      skip examples that are easy by now (InfoBatch)
calibration.py  fit temperature and out-of-distribution threshold on validation images
checkpoint.py   save the state of a training, and resume from it
callbacks.py    what a training calls as it goes on
progress.py     a progress bar, or a line for each validation
"""
