"""Figures under plots/.

show_data.py         the images: samples, classes, pixels, split, augmentation
show_systems.py      the learning curves and layers of each system
show_groups.py       the systems side by side, each group with its baseline
show_predictions.py  the predictions of the final model: confusion, ROC, calibration, mistakes, robustness
"""
