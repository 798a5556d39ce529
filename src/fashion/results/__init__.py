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

report/contents.py      the results that the page shows, and their order
report/page.py          fill page.html and the templates that it includes
report/findings.py      the sentences of the title and the headings
report/formats.py       numbers, images and settings as text
report/svg.py           elements and axes of charts
report/rows.py          dots, intervals and bars in the rows of tables
report/curves.py        learning curves
report/scatter.py       accuracy against costs, and against confidence
report/changed.py        an image under each change of the robustness test
report/confusion.py     the confusion matrix and places in the sprite sheet
report/pipeline.py      the graph of the pipeline, with positions
report/costs.py         time and memory of stages
"""
