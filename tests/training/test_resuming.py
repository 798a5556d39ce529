"""Trainings that are killed and go on, to the bytes of one that was not disturbed."""

import math
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from clone import ENVIRONMENT, edit_params, make_clone, run
from fashion.files import read_array, write_array
from fashion.settings.system import Phase, System
from fashion.training import checkpoint, origin
from fashion.training.checkpoint import Checkpoint, read
from fashion.training.learning import Labelled
from fashion.training.optimizers import load_optimizer, make_optimizer
from fashion.training.system import train_system
from small import CLASSES, settings, system

SGD = {
    **{"optimizer": "sgd", "lr": 0.05, "schedule": "triangle", "momentum": 0.85, "nesterov": True, "bias_rate": 64},
    **{"weight_decay": 2e-3, "label_smoothing": 0.1, "average": 4},
}
CORRUPTION = {"share": 0.5, "rotation": 20.0, "contrast": 0.2, "noise": 40.0}
FINAL = system(
    family="whitened_cnn",
    arguments={"channels": [8, 8], "dropout": 0.1},
    input={"size": "auto", "scaling": "standard"},
    phases={
        "main": {
            **{**SGD, "max_epochs": 6, "validate_every": 2},
            "augmentation": {"shift": 2, "flip": True, "cutout": 6, "corruption": CORRUPTION},
            "pruning": {"easy": 0.8, "drop": 0.5, "full": 0.125},
        },
        "finetune": {**SGD, "max_epochs": 2, "augmentation": {"flip": True}},
    },
)
ADAM = {"optimizer": "adam", "lr": 0.01, "schedule": "linear", "weight_decay": 1e-3, "max_epochs": 4, "patience": 2}
DROPOUT = system(  # its second phase ends by patience
    family="ramped_cnn",
    arguments={"channels": [8, 8], "kernels": [3, 3], "pools": [2, 2], "hidden": [16], "dropout": 0.5},
    phases={"adam": ADAM, "frozen": {"optimizer": "sgd", "lr": 1e-30, "max_epochs": 9, "patience": 2}},
)
PLAIN = system(family="mlp", arguments={"hidden": [16], "dropout": [0.2]})
RECIPES = {"final": FINAL, "dropout": DROPOUT, "plain": PLAIN}


class Project:
    """A folder with images, and what trainings make of them."""

    def __init__(self, folder: Path, train: Labelled, validation: Labelled) -> None:
        self.folder = folder
        for part, labelled in (("train", train), ("validation", validation)):
            write_array(folder / f"{part}_images.npy", labelled.images)
            write_array(folder / f"{part}_labels.npy", labelled.labels)
        self.model, self.history = folder / "small.safetensors", folder / "small.csv"
        self.checkpoint = folder / "checkpoints/small.safetensors"

    def train(self, what: System = PLAIN, **how: object) -> tuple[bytes, bytes]:
        """Give the bytes of the model and of its history."""
        train_system(
            what,
            settings(**how),
            classes=CLASSES,
            content=28,
            enlarge=False,
            images=self.folder,
            model=self.model,
            history=self.history,
            checkpoint=self.checkpoint,
            where="variants.small",
        )
        return self.model.read_bytes(), self.history.read_bytes()


@pytest.fixture
def project(tmp_path: Path, train: Labelled, validation: Labelled) -> Project:
    return Project(tmp_path, train, validation)


@pytest.fixture
def after_each_epoch(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Have a state written after each epoch, however short."""
    monkeypatch.setattr(checkpoint, "PAUSE", 0.0)
    monkeypatch.setattr(checkpoint, "SHARE", math.inf)
    return monkeypatch


@pytest.fixture
def killed(after_each_epoch: pytest.MonkeyPatch) -> Callable[[Project, System], None]:
    """Kill a training when it has written a state."""

    def train_until_written(project: Project, what: System = PLAIN, **how: object) -> None:
        def keep_and_die(self: Checkpoint, state: dict) -> None:
            keep(self, state)
            raise SystemError("killed")

        keep = Checkpoint.keep
        with after_each_epoch.context() as patch, pytest.raises(SystemError, match="killed"):
            patch.setattr(Checkpoint, "keep", keep_and_die)
            project.train(what, **how)

    return train_until_written


@pytest.mark.parametrize(("recipe", "precision"), [("final", "fp32"), ("final", "bf16"), ("dropout", "fp32")])
def test_a_training_that_is_killed_after_every_epoch_ends_with_the_bytes_of_one_that_is_not(
    project: Project, killed, capsys: pytest.CaptureFixture, recipe: str, precision: str
) -> None:
    what = RECIPES[recipe]
    undisturbed = project.train(what, precision=precision)
    epochs = int(project.history.read_text().splitlines()[-1].split(",")[1])
    budget = sum(phase.max_epochs for phase in what.phases.values())
    assert (epochs < budget) == (recipe == "dropout")
    project.model.unlink()
    for _ in range(epochs):
        killed(project, what, precision=precision)
    assert not project.model.exists()
    capsys.readouterr()
    assert project.train(what, precision=precision) == undisturbed
    assert capsys.readouterr().err.splitlines()[0] == f"small: going on after epoch {epochs} of {budget}"


def test_a_training_goes_on_with_its_epochs_numbers_and_the_same_lines(
    project: Project, killed, capsys: pytest.CaptureFixture
) -> None:
    for _ in range(2):
        killed(project)
    project.train()
    said = [line.rpartition(",")[0] for line in capsys.readouterr().err.splitlines()]
    first, _, second, _, third, _ = said
    assert [line.split(":")[0] for line in (first, second, third)] == [f"small adam epoch {n}" for n in (1, 2, 3)]


def test_a_checkpoint_is_gone_when_the_training_has_ended_with_what_a_killed_write_left(
    project: Project, killed
) -> None:
    killed(project)
    (project.checkpoint.parent / ".small.safetensors.12345.part").write_bytes(b"half")
    project.train()
    assert list(project.checkpoint.parent.iterdir()) == []


@pytest.mark.usefixtures("after_each_epoch")
def test_ctrl_c_leaves_the_checkpoint_and_says_so(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fashion.training.learning.calibrate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        project.train()
    assert capsys.readouterr().err.splitlines()[-1] == f"small: the next run goes on from {project.checkpoint}"
    monkeypatch.undo()
    resumed = project.train()
    assert capsys.readouterr().err.splitlines()[0] == "small: going on after epoch 3 of 3"
    assert resumed == project.train()


def lines_of_a_new_start(project: Project, capsys: pytest.CaptureFixture, what: System = PLAIN, **how: object) -> str:
    """Train where there is a checkpoint, and again where there is none; require the same bytes, give the first line."""
    capsys.readouterr()
    there = project.train(what, **how)
    first, *rest = capsys.readouterr().err.splitlines()
    assert not project.checkpoint.exists()
    assert there == project.train(what, **how)
    assert len(rest) == len(capsys.readouterr().err.splitlines())
    return first


def starting_anew(project: Project, why: str) -> str:
    return f"small: {project.checkpoint} {why}: starting anew"


@pytest.mark.parametrize("place", [0, 8, 30, 0.3, 0.5, 0.9, -1])
def test_a_flipped_bit_is_found_out(project: Project, killed, capsys: pytest.CaptureFixture, place: float) -> None:
    killed(project)
    content = bytearray(project.checkpoint.read_bytes())
    content[int(place * len(content)) if isinstance(place, float) else place] ^= 1
    project.checkpoint.write_bytes(content)
    assert lines_of_a_new_start(project, capsys) == starting_anew(project, "is damaged")


def test_no_flipped_bit_changes_what_is_read(project: Project, killed) -> None:
    killed(project, system(family="mlp", arguments={"hidden": []}))
    content = project.checkpoint.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    draw = random.Random(0)
    places = [*draw.sample(range(header), 300), *draw.sample(range(header, len(content)), 100)]
    for place in places:
        changed = bytearray(content)
        changed[place] ^= 1 << draw.randrange(8)
        project.checkpoint.write_bytes(changed)
        assert read(project.checkpoint) is None, place


@pytest.mark.parametrize("content", [b"", b"a text\n", b"\0" * 64, None])
def test_a_file_that_is_cut_off_or_something_else_is_not_used(
    project: Project, killed, capsys: pytest.CaptureFixture, content: bytes | None
) -> None:
    killed(project)
    whole = project.checkpoint.read_bytes()
    project.checkpoint.write_bytes(whole[:-100] if content is None else content)
    assert lines_of_a_new_start(project, capsys) == starting_anew(project, "is damaged")


@pytest.mark.usefixtures("after_each_epoch")
def test_a_model_is_no_checkpoint(project: Project, capsys: pytest.CaptureFixture) -> None:
    project.train()
    shutil.copy(project.model, project.checkpoint)
    assert lines_of_a_new_start(project, capsys) == starting_anew(project, "is damaged")


OTHER_PHASE = {"adam": {"optimizer": "adam", "lr": 0.011, "max_epochs": 3}}
SWAPPED = {name: {"optimizer": "adam", "lr": 0.01, "max_epochs": 1} for name in ("b", "a")}


@pytest.mark.parametrize(
    ("before", "after", "how"),
    [
        (PLAIN, PLAIN.model_copy(update={"phases": {"adam": Phase(**OTHER_PHASE["adam"])}}), {}),
        (PLAIN, PLAIN.model_copy(update={"batch_size": 33}), {}),
        (PLAIN, PLAIN, {"seed": 1}),
        (PLAIN, PLAIN, {"max_epochs": 2}),
        (system(phases=SWAPPED), system(phases=dict(reversed(SWAPPED.items()))), {}),
    ],
)
def test_other_settings_start_anew(
    project: Project, killed, capsys: pytest.CaptureFixture, before: System, after: System, how: dict
) -> None:
    killed(project, before)
    assert lines_of_a_new_start(project, capsys, after, **how) == starting_anew(project, "is of other settings")


@pytest.mark.parametrize("name", ["train_images", "train_labels", "validation_images", "validation_labels"])
def test_other_images_or_labels_start_anew(project: Project, killed, capsys: pytest.CaptureFixture, name: str) -> None:
    killed(project)
    place = project.folder / f"{name}.npy"
    values = np.array(read_array(place))
    values.flat[-1] ^= 1
    write_array(place, values)
    assert lines_of_a_new_start(project, capsys) == starting_anew(project, "is of other images")


def test_another_precision_starts_anew(
    project: Project, killed, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a machine cannot multiply bf16, on which `auto` means fp32."""
    killed(project, precision="auto")
    for has in (True, False):
        monkeypatch.setattr("fashion.classifier.device.has_bf16", lambda _, has=has: has)
        killed(project, precision="auto")
    why = starting_anew(project, "is of another processor, precision or torch")
    assert why in capsys.readouterr().err.splitlines()


def test_other_code_starts_anew(
    project: Project, killed, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(origin.LIBRARY, copy)
    monkeypatch.setattr(origin, "LIBRARY", copy)
    killed(project)
    (copy / "use/reading.py").write_text("")
    killed(project)
    assert "small: going on after epoch 1 of 3" in capsys.readouterr().err.splitlines()
    with (copy / "training/pruning.py").open("a") as file:
        file.write("\n")
    assert lines_of_a_new_start(project, capsys) == starting_anew(project, "is of other code")


def test_a_short_training_writes_no_checkpoint_and_a_long_one_every_twenty_seconds(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, written = [0.0], []
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(checkpoint, "write", lambda *_: written.append(now[0]))
    one = Checkpoint(project.checkpoint, print, origin=origin.Origin("", "", "", {}))
    for now[0] in range(1, 60, 6):
        one.keep({})
    assert written == [25, 49]


def test_where_a_write_takes_long_it_is_done_so_rarely_that_it_takes_one_percent(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, written = [0.0], []

    def write(*_: object) -> None:
        written.append(now[0])
        now[0] += 4

    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(checkpoint, "write", write)
    one = Checkpoint(project.checkpoint, print, origin=origin.Origin("", "", "", {}))
    while now[0] < 900:
        now[0] += 10
        one.keep({})
    assert written == [20, 424, 828]


@pytest.mark.usefixtures("after_each_epoch")
def test_a_checkpoint_that_cannot_be_written_is_said_once_and_the_training_goes_on(
    project: Project, capsys: pytest.CaptureFixture
) -> None:
    undisturbed = project.train()
    shutil.rmtree(project.checkpoint.parent)
    project.checkpoint.parent.write_text("no folder")
    capsys.readouterr()
    assert project.train() == undisturbed
    said = [line for line in capsys.readouterr().err.splitlines() if str(project.checkpoint) in line]
    assert len([line for line in said if "cannot be written" in line]) == 1


def test_moments_lie_in_memory_as_their_weights_do() -> None:
    """Else fused kernels would give weights the moments of others."""
    layer = torch.nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for name in ("adam", "sgd"):
        phase = Phase.model_validate({"optimizer": name, "lr": 0.1, "momentum": 0.9, "max_epochs": 1})
        first, second = make_optimizer(phase, layer), make_optimizer(phase, layer)
        layer(torch.ones(1, 3, 5, 5)).sum().backward()
        first.step()
        kept = first.state_dict()
        contiguous = {
            str(number): {key: value.contiguous() for key, value in values.items()}
            for number, values in kept["state"].items()
        }
        load_optimizer(second, {**kept, "state": contiguous})
        for before, after in zip(first.state.values(), second.state.values(), strict=True):
            for key, value in before.items():
                assert torch.equal(after[key], value)
                assert after[key].stride() == value.stride()


KILLED = f"""
import os, runpy, sys
from fashion.training import checkpoint
checkpoint.PAUSE, checkpoint.SHARE = 0, float("inf")
keep = checkpoint.Checkpoint.keep
def keep_and_die(self, state):
    keep(self, state)
    if state["epochs_done"] == 3:
        os.kill(os.getpid(), {int(signal.SIGKILL)})
checkpoint.Checkpoint.keep = keep_and_die
sys.path.insert(0, "stages")
sys.argv = ["train.py", "mlp_200"]
runpy.run_path("stages/train.py", run_name="__main__")
"""


def test_a_stage_that_is_killed_goes_on_when_it_runs_again(tmp_path: Path) -> None:
    make_clone(tmp_path)
    edit_params(tmp_path, lambda params: params["train"].update(max_epochs=5))
    for stage in ("ingest.py", "split.py", "train.py mlp_200"):
        run(tmp_path, "python", *f"stages/{stage}".split())
    outputs = [tmp_path / "models/mlp_200.safetensors", tmp_path / "data/histories/mlp_200.csv"]
    folder = tmp_path / "checkpoints"
    undisturbed = [path.read_bytes() for path in outputs]
    for path in outputs:
        path.unlink()
    environment = {**ENVIRONMENT, "PYTHONPATH": str(tmp_path / "src")}
    died = subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path, env=environment, capture_output=True)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    assert [path.name for path in folder.iterdir()] == ["mlp_200.safetensors"]
    assert run(tmp_path, "git", "status", "--short", "checkpoints") == ""
    assert "mlp_200: going on after epoch 3 of 5\n" in run(tmp_path, "python", "stages/train.py", "mlp_200")
    assert [path.read_bytes() for path in outputs] == undisturbed
    assert list(folder.iterdir()) == []
