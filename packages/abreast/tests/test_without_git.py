"""Run stages of a project that is in no git repository."""

import shutil
from pathlib import Path

from dvc_project import abreast, make, results, run

STAGES = """
stages:
  first: {cmd: python join.py in.txt first.txt, deps: [in.txt], outs: [first.txt]}
  second: {cmd: python join.py first.txt second.txt, deps: [first.txt], outs: [second.txt]}
"""


def test_a_project_without_git_gets_what_dvc_makes_of_it(tmp_path: Path) -> None:
    ours = make(tmp_path / "ours", {"dvc.yaml": STAGES, ".dvc/config": "[core]\n    no_scm = True\n"})
    shutil.rmtree(ours / ".git")
    plain = shutil.copytree(ours, tmp_path / "plain")
    abreast(ours)
    run(plain, "dvc", "repro")
    assert results(ours) == results(plain)
    assert not (ours / ".gitignore").exists()
    assert "up to date" in abreast(ours)
