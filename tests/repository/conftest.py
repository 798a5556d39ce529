"""A copy of what git tracks, to edit."""

import shutil
from pathlib import Path

import pages
import pytest
import validate

from clone import ROOT, run


def copy_of_tree(folder: Path) -> Path:
    """Copy what git tracks or could, as it lies here."""
    for name in run(ROOT, "git", "ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0"):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    run(folder, "git", "init", "--quiet")
    return folder


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy, which validate.py and what it imports take for the project."""
    folder = copy_of_tree(tmp_path / "checkout")
    for module in (pages, validate):
        monkeypatch.setattr(module, "ROOT", folder)
    return folder
