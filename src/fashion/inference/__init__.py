"""Use a trained model outside the pipeline; needs only the model file.

read_images.py  find and read images: image files, folders, CSV tables, IDX files, NumPy arrays
predict.py      label images
export.py       export a model to ONNX
"""
