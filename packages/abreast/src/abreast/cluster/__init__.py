"""Run stages on the workers of a Dask cluster; needs the extra `dask`.

head.py          the machine of the run: sends stages to workers, and is the only one to write dvc.lock
worker.py        what runs in a Dask worker: joins a run, and starts stages
remote_stage.py  a stage on a worker, in a process of its own: pull inputs, reproduce, push outputs
remote.py        exchange files and run-cache entries through the DVC remote
snapshot.py      pack the project for workers, from git
environment.py   compare processor, packages and settings of two machines
"""
