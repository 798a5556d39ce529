"""What `params.yaml` may say, section by section, as types. Light: nothing here imports torch, pandas or SciPy."""
