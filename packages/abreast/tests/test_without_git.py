"""A project outside of a git repository."""

import shutil
from pathlib import Path

from dvc_project import abreast, make, results, run

STAGES = """
stages:
  first: {cmd: python join.py in.txt first.txt, deps: [in.txt], outs: [first.txt]}
  second: {cmd: python join.py first.txt second.txt, deps: [first.txt], outs: [second.txt]}
"""


def test_a_project_without_git_has_the_files_of_dvc_repro(tmp_path: Path) -> None:
    by_abreast = make(tmp_path / "by_abreast", {"dvc.yaml": STAGES, ".dvc/config": "[core]\n    no_scm = True\n"})
    shutil.rmtree(by_abreast / ".git")
    by_dvc = shutil.copytree(by_abreast, tmp_path / "by_dvc")
    abreast(by_abreast)
    run(by_dvc, "dvc", "repro")
    assert results(by_abreast) == results(by_dvc)
    assert not (by_abreast / ".gitignore").exists()
    assert "up to date" in abreast(by_abreast)
