"""Stages on the workers of a Dask cluster; the extra `dask`.

head.py          the head of a run: hands stages to workers, alone writes dvc.lock
snapshot.py      the project, packed for workers
exchange.py      data through the DVC remote
environment.py   what a machine computes with
worker.py        what runs on a worker
remote_stage.py  a stage on a worker, in a process of its own
"""
