"""Train systems, score them, and label images.

train.py     train a variant, the final model, or either with another seed
evaluate.py  score a trained system on validation and test images
predict.py   label the unlabelled images with the final model
"""
