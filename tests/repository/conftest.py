"""Fixture with a copy of the working tree, which tests of tools/ may edit."""

import shutil
from pathlib import Path

import pytest

from clone import ROOT, run
from tools import pages, validate


def copy_working_tree(folder: Path) -> Path:
    """Copy all files that git tracks or would track into a new repository."""
    for name in run(ROOT, "git", "ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0"):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    run(folder, "git", "init", "--quiet")
    return folder


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a copy of the project, and make it the root for the modules of tools/."""
    folder = copy_working_tree(tmp_path / "checkout")
    for module in (pages, validate):
        monkeypatch.setattr(module, "ROOT", folder)
    return folder
