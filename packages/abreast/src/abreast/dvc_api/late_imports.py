"""Import what DVC imports late: once in the server, and not again in each process that is forked from it."""
# ruff: noqa: F401

import configobj
import dulwich.ignore
import dulwich.index
import dulwich.worktree
import dvc.cachemgr
import dvc.data_cloud
import dvc.repo.artifacts
import dvc.repo.datasets
import dvc.repo.metrics
import dvc.repo.params
import dvc.repo.plots
import dvc.repo.stage
import dvc_data.hashfile.db.local
import dvc_data.hashfile.status
import fsspec.implementations.memory
import ruamel.yaml
