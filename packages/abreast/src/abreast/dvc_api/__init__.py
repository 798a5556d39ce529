"""Everything that abreast takes from DVC, private functions included. No other module imports DVC.

project.py    open a project, and report DVC's errors in one line
reproduce.py  run one stage after the other as `dvc repro` does
lock_file.py  read dvc.lock, and change one entry in its text
gitignore.py  add lines to .gitignore and remove them
rwlock.py     DVC's record of which process reads and writes which files
atomic.py     replace a file by fsync and rename

Tested with DVC 3.60 and 3.67; a weekly CI job runs the tests with the newest release. Importing this package takes half
a second: import it inside the function that needs it.
"""
# ruff: noqa: F401 (other modules import these names from here)

from dvc.cli import main as dvc_command
from dvc.config import Config
from dvc.dependency import Dependency, ParamsDependency
from dvc.exceptions import CollectCacheError, DvcException
from dvc.lock import LockError
from dvc.repo import Repo
from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro
from dvc.scm import NoSCM
from dvc.stage import PipelineStage
from dvc_data.hashfile.build import build
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.meta import Meta
from dvc_data.hashfile.state import StateNoop
from dvc_data.hashfile.tree import Tree

from abreast.dvc_api.atomic import write_whole
from abreast.dvc_api.gitignore import new_ignore_lines
from abreast.dvc_api.lock_file import lock_entries, new_lock_entries
from abreast.dvc_api.project import (
    confirm,
    faults,
    find_root,
    is_local,
    newest_run,
    open_repo,
    project,
    pull_run_cache,
    run_folder,
    stage_of_run,
)
from abreast.dvc_api.reproduce import Definition, EntryOrder, Options, Reproducer, Usage, wait_for_exit
from abreast.dvc_api.rwlock import blockers
