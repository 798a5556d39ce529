"""From predictions to tables, figures and the report.

metrics.py              accuracy, precision, recall, F1, ROC AUC, calibration error
significance.py         confidence intervals of accuracies, and tests of the difference between two systems
comparison.py           one table of all systems, their learning curves, ROC curves
seeds.py                mean and standard deviation over trainings with different seeds
layers.py               the layers of a network as a table
gallery.py              the confusion matrix and example images of the report
palette.py              colours of figures and report

figures/style.py        sizes, fonts and colours of all figures; tables, labels
figures/image_grid.py   images in a grid, with captions
figures/data.py         samples, split, pixels, classes, augmentation
figures/systems.py      learning curves and layers of one system
figures/groups.py       systems side by side: losses, accuracies, parameters, sweeps of a setting
figures/predictions.py  predictions of the final model: confusion matrix, ROC, mistakes, calibration, robustness

report/page.py          fill page.html with the results
report/charts.py        specifications of the charts, in Vega-Lite
report/pipeline.py      the graph of the pipeline, with positions
report/costs.py         time and memory of stages
"""
