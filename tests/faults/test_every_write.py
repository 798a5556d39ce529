"""Test the files of a stage after an open, write, fsync or rename that failed, or after a kill or power cut before it.

First, the calls of a stage are counted. Then each of them fails once. For a kill, the folder is copied before each
call: the copy is what SIGKILL leaves, because no code of the process runs after it. A power cut also empties unsynced
files.
"""

import builtins
import errno
import io
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch

import fashion.training.checkpoint
from clone import DATA, ROOT, shrink
from fashion.errors import InputError
from fashion.files import REMEDIES
from fashion.params import Params, check
from fashion.results.figures.style import new_figure, save, write_png
from fashion.settings.fields import FINAL
from fashion.settings.parsing import load_yaml
from stages import paths
from stages.data import audit, augment, ingest, split
from stages.models import evaluate, train
from stages.results import compare

VARIANT = "mlp_200"
OPEN, REPLACE = io.open, os.replace
Files = dict[str, bytes]  # content by path


class WatchedFile(io.FileIO):
    """A file that counts each write in `calls`, after the first half of the bytes is written."""

    def __init__(self, calls: "Calls", path: Path, mode: str) -> None:
        super().__init__(path, mode)
        self.calls = calls

    def write(self, data: Any) -> int:
        content = memoryview(data).cast("B")
        half = super().write(content[: len(content) // 2])
        self.calls.count(f"write {self.name}")
        return half + super().write(content[half:])


class Calls:
    """Count the calls that write files.

    before: is called before each of them with its number, and may raise an error in place of the call.
    unsynced: inodes of the files and folders that changed after their last fsync.
    """

    def __init__(self, before: Callable[[int], None] = lambda _: None) -> None:
        self.before = before
        self.names: list[str] = []
        self.unsynced: set[int] = set()

    def count(self, name: str) -> None:
        self.names.append(name)
        self.before(len(self.names) - 1)

    def open(self, file: Any, mode: str = "r", buffering: int = -1, *text: Any, **settings: Any) -> Any:
        in_project = not isinstance(file, int) and not Path(file).is_absolute()  # stages use relative paths
        if in_project and set(mode) & set("wax+"):
            self.count(f"open {file}")
        if not in_project or "w" not in mode:
            return OPEN(file, mode, buffering, *text, **settings)
        raw = WatchedFile(self, file, mode.replace("t", ""))
        self.unsynced.add(os.fstat(raw.fileno()).st_ino)
        buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, *text, **settings)

    def fsync(self, descriptor: int) -> None:
        """Only count the call: a real fsync takes milliseconds."""
        status = os.fstat(descriptor)
        self.count("fsync of a folder" if stat.S_ISDIR(status.st_mode) else "fsync of a file")
        self.unsynced.discard(status.st_ino)

    def replace(self, source: Path, target: Path) -> None:
        self.count(f"rename to {target}")
        REPLACE(source, target)
        self.unsynced.add(Path(target).parent.stat().st_ino)

    @contextmanager
    def watch(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("FASHION_FSYNC", "1")
            patch.setattr(os, "getpid", lambda: 1)  # the next run is another process
            patch.setattr(io, "open", self.open)
            patch.setattr(builtins, "open", self.open)
            patch.setattr(os, "fsync", self.fsync)
            patch.setattr(os, "replace", self.replace)
            yield


def save_through_python(tensors: dict, path: Path, metadata: dict[str, str]) -> None:
    """Write the same bytes as safetensors, which writes in Rust."""
    path.write_bytes(safetensors.torch.save(tensors, metadata))


def draw_figures(_: Params) -> None:
    """Write figures in all formats that stages write."""
    save(new_figure(0.5), paths.PLOTS / "picture.svg")
    save(new_figure(0.5), paths.PLOTS / "picture.png")
    write_png(paths.PLOTS / "images.png", np.eye(8, dtype=np.uint8))


def train_variant(params: Params) -> None:
    train.main(params, VARIANT)


def evaluate_both(params: Params) -> None:
    """Evaluate the variant, also as the final model."""
    shutil.copy(paths.model(VARIANT), paths.model(FINAL))
    shutil.copy(paths.history(VARIANT), paths.history(FINAL))
    evaluate.main(params, VARIANT)
    evaluate.main(params, FINAL)


STEPS: dict[str, Callable[[Params], None]] = {
    "draw": draw_figures,  # SVG and PNG
    "ingest": ingest.main,  # arrays and JSON
    "split": split.main,
    "audit": audit.main,
    "augment": augment.main,  # arrays in parts
    "train": train_variant,  # checkpoints, a model and CSV
    "evaluate": evaluate_both,
    "compare": compare.main,  # JSON and CSV
}
TESTED = ("draw", "ingest", "augment", "train", "compare")
# Errors of a full disk and of a faulty disk.
FULL, FAULTY = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), OSError(errno.EIO, os.strerror(errno.EIO))


class Stage:
    """A stage, its folder with old outputs, and the files of a run without faults."""

    def __init__(self, name: str, params: Params, start: Path, end: Path) -> None:
        self.name, self.params, self.start = name, params, start
        inputs = files_in(start)
        self.new = files_in(end)
        self.outputs = self.new.keys() - inputs.keys()
        self.old = inputs | dict.fromkeys(self.outputs, b"old")
        self.tested: list[Files] = []  # files for which the next run was tested
        for path in self.outputs:
            (start / path).parent.mkdir(parents=True, exist_ok=True)
            (start / path).write_bytes(b"old")

    def run(self, folder: Path) -> None:
        with chdir(folder):
            STEPS[self.name](self.params)

    def require_complete(self, folder: Path, moment: str) -> None:
        """Require the old or the new content of all files; a checkpoint may be damaged, since it has a checksum."""
        found = {path: content for path, content in files_in(folder).items() if not path.startswith("checkpoints/")}
        partial = [path for path, content in found.items() if content not in (self.old.get(path), self.new.get(path))]
        assert not partial, f"{moment}: {partial}"
        assert found.keys() >= self.old.keys(), moment

    def require_next_run(self, folder: Path, moment: str) -> None:
        """Require that the next run writes the files of a run without faults."""
        before = files_in(folder, temporary=True)
        if before in self.tested:
            return
        self.tested.append(before)
        self.run(folder)
        files = files_in(folder)
        assert [path for path in files.keys() | self.new.keys() if files.get(path) != self.new.get(path)] == [], moment


def files_in(folder: Path, *, temporary: bool = False) -> Files:
    """Read all files of a folder. temporary: also temporary files, whose names start with a dot."""
    paths = [path for path in folder.rglob("*") if path.is_file() and (temporary or not path.name.startswith("."))]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a checkpoint after each epoch, and write safetensors through Python."""
    monkeypatch.setenv("FASHION_DEVICE", "cpu")
    monkeypatch.setattr(fashion.training.checkpoint, "MIN_INTERVAL", 0.0)
    monkeypatch.setattr(fashion.training.checkpoint, "MAX_SHARE", float("inf"))
    monkeypatch.setattr(fashion.training.checkpoint, "save_file", save_through_python)


@pytest.fixture
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Stage:
    """Run the steps up to the one that the test asks for."""
    content = load_yaml(ROOT / "params.yaml")
    shrink(content)
    content["variants"] = {VARIANT: content["variants"][VARIANT]}
    content["train"]["threads"] = 1
    content["model"]["baseline"] = VARIANT
    params = check(content, source="params.yaml")
    start, end = tmp_path / "start", tmp_path / "end"
    (end / paths.RAW).mkdir(parents=True)
    for path in DATA.glob("*.gz"):
        shutil.copy(path, end / paths.RAW)
    for name, step in STEPS.items():
        if name == request.param:
            shutil.copytree(end, start)
        with chdir(end):
            step(params)
        if name == request.param:
            break
    return Stage(request.param, params, start, end)


def copy_start(start: Path, folder: Path) -> Path:
    """Copy the start of a stage by hard links, since stages write new files and never change old ones."""
    shutil.rmtree(folder, ignore_errors=True)
    return shutil.copytree(start, folder, copy_function=os.link)


@pytest.mark.parametrize("stage", TESTED, indirect=True)
@pytest.mark.parametrize("error", [FULL, FAULTY, KeyboardInterrupt()], ids=["full", "faulty", "interrupted"])
def test_a_call_that_fails_leaves_old_or_new_files(stage: Stage, error: BaseException, tmp_path: Path) -> None:
    """Raise the error in place of each call; on a full disk, all later calls fail as well."""
    calls, folder = Calls(), copy_start(stage.start, tmp_path / "run")
    with calls.watch():
        stage.run(folder)
    assert {name.split()[0] for name in calls.names} == {"open", "write", "fsync", "rename"}
    for failing, name in enumerate(calls.names):
        moment = f"{error!r} in call {failing} of {len(calls.names)} of {stage.name}, {name}"

        def fail(number: int, failing: int = failing) -> None:
            if number == failing or (error is FULL and number > failing):
                raise error

        raised, folder = None, copy_start(stage.start, tmp_path / "run")
        with Calls(fail).watch():
            try:
                stage.run(folder)
            except (InputError, KeyboardInterrupt) as caught:
                raised = caught
        if raised is None:
            assert "checkpoints" in name, f"{moment}: no error"  # the training goes on without a checkpoint
        elif isinstance(error, OSError):
            line = re.fullmatch(rf"(\S+): cannot be written; {REMEDIES[error.strerror]}, and run again", str(raised))
            assert line, f"{moment}: {raised}"
            assert line[1] in stage.outputs, f"{moment}: {raised}"
        else:
            assert raised is error, moment
        stage.require_complete(folder, moment)
        assert [path.name for path in folder.rglob(".*")] == [], moment
        stage.require_next_run(folder, moment)


@pytest.mark.parametrize("stage", TESTED, indirect=True)
def test_a_kill_or_a_power_cut_before_any_call_leaves_old_or_new_files(stage: Stage, tmp_path: Path) -> None:
    folder = copy_start(stage.start, tmp_path / "run")

    def copy_folder(number: int) -> None:
        """Copy the folder as it is after a kill, and after a power cut."""
        shutil.copytree(folder, tmp_path / f"killed {number}", copy_function=copy_content)
        shutil.copytree(folder, tmp_path / f"power cut {number}", copy_function=copy_synced)

    def copy_content(source: str, target: str) -> None:
        copy = shutil.copyfile if Path(source).stat().st_ino in calls.unsynced else os.link
        copy(source, target)

    def copy_synced(source: str, target: str) -> None:
        if Path(source).stat().st_ino in calls.unsynced:
            Path(target).touch()
        else:
            os.link(source, target)

    calls = Calls(copy_folder)
    with calls.watch():
        stage.run(folder)
    changed = [path for path in folder.rglob("*") if path.stat().st_ino in calls.unsynced]
    assert changed in ([], [folder / paths.CHECKPOINTS]), "not synced at the end"
    for number, name in enumerate(calls.names):
        for event in ("killed", "power cut"):
            moment = f"{event} before call {number} of {len(calls.names)} of {stage.name}, {name}"
            stage.require_complete(tmp_path / f"{event} {number}", moment)
            stage.require_next_run(tmp_path / f"{event} {number}", moment)
