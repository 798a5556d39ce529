"""Resume trainings that were killed: they end with the same bytes as trainings without an interruption."""

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
from fashion.files import read_array, write_array, write_json
from fashion.images.parts import Part
from fashion.settings.model import Phase, System
from fashion.training import checkpoint as checkpoint_module
from fashion.training import ensemble as ensemble_module
from fashion.training.calibration import calibrate
from fashion.training.checkpoint import Checkpoint, read, write
from fashion.training.optimizers import load_optimizer, make_optimizer
from fashion.training.train import TrainingData, whole_frame
from small import make_settings, make_system
from stages import paths
from stages.models.train import Recipe, train

SGD = {
    **{
        "optimizer": "sgd",
        "lr": 0.05,
        "schedule": "triangle",
        "momentum": 0.85,
        "nesterov": True,
        "bias_lr_multiplier": 64,
    },
    **{"weight_decay": 2e-3, "label_smoothing": 0.1, "lookahead_every": 4},
}
CORRUPTION = {"share": 0.5, "max_rotation": 20.0, "min_contrast": 0.2, "max_noise_std": 40.0}
FINAL = make_system(
    family="whitened_cnn",
    arguments={"channels": [8, 8], "dropout": 0.1},
    input={"size": "auto", "scaling": "standard"},
    phases={
        "main": {
            **{**SGD, "max_epochs": 6, "validate_every": 2},
            "augmentation": {"shift": 2, "flip": True, "cutout": 6, "corruption": CORRUPTION},
            "sample_pruning": {"easy_share": 0.8, "drop_rate": 0.5, "unpruned_tail": 0.125},
        },
        "finetune": {**SGD, "max_epochs": 2, "augmentation": {"flip": True}},
    },
)
ADAM = {"optimizer": "adam", "lr": 0.01, "schedule": "linear", "weight_decay": 1e-3, "max_epochs": 4, "patience": 2}
DROPOUT = make_system(  # its second phase ends by patience
    family="ramped_cnn",
    arguments={"channels": [8, 8], "kernels": [3, 3], "pools": [2, 2], "hidden": [16], "dropout": 0.5},
    phases={"adam": ADAM, "frozen": {"optimizer": "sgd", "lr": 1e-30, "max_epochs": 9, "patience": 2}},
)
PLAIN = make_system(family="mlp", arguments={"hidden": [16], "dropout": [0.2]})
FINETUNED = make_system(
    phases={
        "head": {"optimizer": "adamw", "lr": 0.01, "freeze": True, "max_epochs": 2},
        "all": {
            **{"optimizer": "adamw", "lr": 0.01, "schedule": "cosine", "warmup": 0.2, "layer_decay": 0.7},
            **{"clip_norm": 1.0, "ema": 0.9, "weight_decay": 0.01, "max_epochs": 4},
        },
    }
)
SYSTEMS = {"final": FINAL, "dropout": DROPOUT, "finetuned": FINETUNED}


class Project:
    """A folder with images, in which one system is trained; the current directory."""

    def __init__(self, data: TrainingData) -> None:
        assert data.validation
        both = (data.train, data.validation)
        write_array(paths.images(paths.SPLIT, "labelled"), np.concatenate([part.images for part in both]))
        write_array(paths.labels(paths.SPLIT, "labelled"), np.concatenate([part.labels for part in both]))
        counts = [len(part.labels) for part in both]
        write_array(paths.PARTS, np.repeat(np.array([[Part.TRAIN, Part.VALIDATION]], np.uint8), counts, axis=1))
        self.frame = whole_frame(data.train.images)
        write_json(paths.ABOUT, {"classes": data.classes, "frame": self.frame.model_dump(mode="json")})
        self.model, self.history = paths.model("small"), paths.history("small")
        self.checkpoint = paths.checkpoint("small")

    def train(self, system: System = PLAIN, **settings: object) -> tuple[bytes, bytes]:
        """Train a system; give the bytes of its model and of its history."""
        train("small", Recipe(lambda _: system, "variants.small", make_settings(**settings), "train"), self.frame)
        return self.model.read_bytes(), self.history.read_bytes()


Kill = Callable[..., None]


@pytest.fixture
def project(tmp_path: Path, data: TrainingData, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    return Project(data)


@pytest.fixture
def save_each_epoch(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Write a checkpoint after each epoch, however short."""
    monkeypatch.setattr(checkpoint_module, "MIN_INTERVAL", 0.0)
    monkeypatch.setattr(checkpoint_module, "MAX_SHARE", math.inf)
    return monkeypatch


@pytest.fixture
def kill(save_each_epoch: pytest.MonkeyPatch) -> Kill:
    """Kill a training after its first checkpoint."""

    def train_and_kill(project: Project, system: System = PLAIN, **settings: object) -> None:
        on_epoch = Checkpoint.on_epoch

        def save_and_die(self: Checkpoint, state: dict) -> None:
            on_epoch(self, state)
            raise SystemError("killed")

        with save_each_epoch.context() as patch, pytest.raises(SystemError, match="killed"):
            patch.setattr(Checkpoint, "on_epoch", save_and_die)
            project.train(system, **settings)

    return train_and_kill


@pytest.mark.parametrize(
    ("name", "precision"), [("final", "fp32"), ("final", "bf16"), ("dropout", "fp32"), ("finetuned", "fp32")]
)
def test_a_training_that_is_killed_after_every_epoch_ends_with_the_bytes_of_one_that_is_not(
    project: Project, kill: Kill, capsys: pytest.CaptureFixture, name: str, precision: str
) -> None:
    system = SYSTEMS[name]
    uninterrupted = project.train(system, precision=precision)
    epochs = int(project.history.read_text().splitlines()[-1].split(",")[1])
    max_epochs = sum(phase.max_epochs for phase in system.phases.values())
    assert (epochs < max_epochs) == (name == "dropout")
    project.model.unlink()
    for _ in range(epochs):
        kill(project, system, precision=precision)
    assert not project.model.exists()
    capsys.readouterr()
    assert project.train(system, precision=precision) == uninterrupted
    assert capsys.readouterr().err.splitlines()[0] == f"small: going on after epoch {epochs} of {max_epochs}"


def test_a_resumed_training_prints_the_lines_of_the_epochs_that_were_left(
    project: Project, kill: Kill, capsys: pytest.CaptureFixture
) -> None:
    for _ in range(2):
        kill(project)
    project.train()
    first, resumed, second, again, third, _ = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in (first, second, third)] == [f"small adam epoch {n}" for n in (1, 2, 3)]
    assert (resumed, again) == tuple(f"small: going on after epoch {n} of 3" for n in (1, 2))


def test_the_end_of_a_training_removes_its_checkpoint_and_files_of_killed_writes(project: Project, kill: Kill) -> None:
    kill(project)
    (project.checkpoint.parent / ".small.safetensors.12345.part").write_bytes(b"half")
    project.train()
    assert list(project.checkpoint.parent.iterdir()) == []


@pytest.mark.usefixtures("save_each_epoch")
def test_ctrl_c_leaves_the_checkpoint_and_prints_where_it_is(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fashion.training.train.calibrate", interrupt)
    with pytest.raises(KeyboardInterrupt):
        project.train()
    assert capsys.readouterr().err.splitlines()[-1] == f"small: the next run goes on from {project.checkpoint}"
    monkeypatch.setattr("fashion.training.train.calibrate", calibrate)
    resumed = project.train()
    assert capsys.readouterr().err.splitlines()[0] == "small: going on after epoch 3 of 3"
    assert resumed == project.train()


def assert_starts_anew(
    reason: str, project: Project, capsys: pytest.CaptureFixture, system: System = PLAIN, **settings: object
) -> None:
    """Train with a checkpoint, and again without one; require the same bytes, and the reason in the first line."""
    capsys.readouterr()
    with_checkpoint = project.train(system, **settings)
    first, *others = capsys.readouterr().err.splitlines()
    assert first == f"small: {project.checkpoint} {reason}: starting anew"
    assert not project.checkpoint.exists()
    assert with_checkpoint == project.train(system, **settings)
    assert len(others) == len(capsys.readouterr().err.splitlines())


@pytest.mark.parametrize("position", [0, 8, 30, 0.3, 0.5, 0.9, -1])  # a byte, or a fraction of the file
def test_a_checkpoint_with_a_flipped_bit_is_not_used(
    project: Project, kill: Kill, capsys: pytest.CaptureFixture, position: float
) -> None:
    kill(project)
    content = bytearray(project.checkpoint.read_bytes())
    content[int(position * len(content)) if isinstance(position, float) else position] ^= 1
    project.checkpoint.write_bytes(content)
    assert_starts_anew("is damaged", project, capsys)


def test_every_flipped_bit_is_detected(project: Project, kill: Kill) -> None:
    kill(project, make_system(family="mlp", arguments={"hidden": []}))
    content = project.checkpoint.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    generator = random.Random(0)
    positions = [*generator.sample(range(header), 300), *generator.sample(range(header, len(content)), 100)]
    for position in positions:
        changed = bytearray(content)
        changed[position] ^= 1 << generator.randrange(8)
        project.checkpoint.write_bytes(changed)
        assert read(project.checkpoint) is None, position


@pytest.mark.parametrize("content", [b"", b"a text\n", b"\0" * 64, None])
def test_a_file_that_is_cut_off_or_no_checkpoint_is_not_used(
    project: Project, kill: Kill, capsys: pytest.CaptureFixture, content: bytes | None
) -> None:
    kill(project)
    whole = project.checkpoint.read_bytes()
    project.checkpoint.write_bytes(whole[:-100] if content is None else content)
    assert_starts_anew("is damaged", project, capsys)


@pytest.mark.usefixtures("save_each_epoch")
def test_a_model_file_is_not_used_as_a_checkpoint(project: Project, capsys: pytest.CaptureFixture) -> None:
    project.train()
    shutil.copy(project.model, project.checkpoint)
    assert_starts_anew("is damaged", project, capsys)


FINGERPRINT = {"other settings": "a", "other code": "b"}
OTHER_PHASE = {"adam": {"optimizer": "adam", "lr": 0.011, "max_epochs": 3}}
SWAPPED = {name: {"optimizer": "adam", "lr": 0.01, "max_epochs": 1} for name in ("b", "a")}


@pytest.mark.parametrize(
    ("before", "after", "settings"),
    [
        (PLAIN, PLAIN.model_copy(update={"phases": {"adam": Phase(**OTHER_PHASE["adam"])}}), {}),
        (PLAIN, PLAIN.model_copy(update={"batch_size": 33}), {}),
        (PLAIN, PLAIN, {"seed": 1}),
        (PLAIN, PLAIN, {"max_epochs": 2}),
        (make_system(phases=SWAPPED), make_system(phases=dict(reversed(SWAPPED.items()))), {}),
    ],
)
def test_other_settings_start_anew(
    project: Project, kill: Kill, capsys: pytest.CaptureFixture, before: System, after: System, settings: dict
) -> None:
    kill(project, before)
    assert_starts_anew("is of other settings", project, capsys, after, **settings)


def test_folds_that_have_ended_are_not_trained_again(
    project: Project, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the third of three trainings: two folds and a refit."""
    labels = read_array(paths.labels(paths.SPLIT, "labelled"))
    parts = np.full((2, len(labels)), Part.TRAIN, np.uint8)
    for member in range(2):
        parts[member, member::4], parts[member, member + 2 :: 4] = Part.TEST, Part.VALIDATION
    write_array(paths.PARTS, parts)
    recipe = Recipe(lambda _: PLAIN, "variants.small", make_settings(), "train", refit=True)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    refit_phases = ensemble_module.refit_phases
    monkeypatch.setattr(ensemble_module, "refit_phases", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train("small", recipe, project.frame)
    monkeypatch.setattr(ensemble_module, "refit_phases", refit_phases)
    capsys.readouterr()
    train("small", recipe, project.frame)
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if "going on" in line] == [
        f"small fold {number}: going on after epoch 3 of 3" for number in (1, 2)
    ]
    assert not [line for line in lines if "fold" in line and "validation loss" in line]
    resumed = project.model.read_bytes()
    assert list(project.checkpoint.parent.iterdir()) == []
    train("small", recipe, project.frame)
    assert project.model.read_bytes() == resumed


@pytest.mark.parametrize("name", ["labelled_images", "labelled_labels"])
@pytest.mark.parametrize("position", [0, -1])
def test_other_images_or_labels_for_training_or_validation_start_anew(
    project: Project, kill: Kill, capsys: pytest.CaptureFixture, name: str, position: int
) -> None:
    kill(project)
    path = paths.SPLIT / f"{name}.npy"
    values = np.array(read_array(path))
    values.flat[position] ^= 1
    write_array(path, values)
    assert_starts_anew("is of other images", project, capsys)


def test_another_precision_starts_anew(
    project: Project, kill: Kill, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a machine cannot multiply bf16, on which `auto` means fp32."""
    kill(project, precision="auto")
    for has in (True, False):
        monkeypatch.setattr("fashion.classifier.device.has_bf16", lambda _, has=has: has)
        kill(project, precision="auto")
    line = f"small: {project.checkpoint} is of another processor, precision or torch: starting anew"
    assert line in capsys.readouterr().err.splitlines()


def test_other_code_of_the_training_starts_anew(
    project: Project, kill: Kill, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(checkpoint_module.LIBRARY, copy)
    monkeypatch.setattr(checkpoint_module, "LIBRARY", copy)
    kill(project)
    (copy / "inference/read_images.py").write_text("")
    kill(project)
    assert "small: going on after epoch 1 of 3" in capsys.readouterr().err.splitlines()
    with (copy / "training/pruning.py").open("a") as file:
        file.write("\n")
    assert_starts_anew("is of other code", project, capsys)


def test_a_checkpoint_is_written_every_twenty_seconds_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, writes = [0.0], []
    monkeypatch.setattr(checkpoint_module.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(checkpoint_module, "write", lambda *_: writes.append(now[0]))
    checkpoint = Checkpoint(tmp_path / "small.safetensors", print, fingerprint=FINGERPRINT)
    for now[0] in range(1, 60, 6):
        checkpoint.on_epoch({})
    assert writes == [25, 49]


def test_slow_writes_take_at_most_one_percent_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, writes = [0.0], []

    def write_slowly(*_: object) -> None:
        writes.append(now[0])
        now[0] += 4

    monkeypatch.setattr(checkpoint_module.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(checkpoint_module, "write", write_slowly)
    checkpoint = Checkpoint(tmp_path / "small.safetensors", print, fingerprint=FINGERPRINT)
    while now[0] < 900:
        now[0] += 10
        checkpoint.on_epoch({})
    assert writes == [20, 424, 828]


@pytest.mark.usefixtures("save_each_epoch")
def test_a_training_without_a_fingerprint_writes_no_checkpoint(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "small.safetensors", print)
    checkpoint.on_epoch({})
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_of_a_version_without_fingerprints_is_not_used(tmp_path: Path) -> None:
    messages: list[str] = []
    checkpoint = Checkpoint(tmp_path / "small.safetensors", messages.append)
    write(checkpoint.path, {"state": {"epochs_done": 1}})
    assert checkpoint.resume(FINGERPRINT) is None
    assert not checkpoint.resumable
    assert messages == [f"{checkpoint.path} is of other settings: starting anew"]


@pytest.mark.usefixtures("save_each_epoch")
def test_a_checkpoint_that_cannot_be_written_is_reported_once_and_the_training_goes_on(
    project: Project, capsys: pytest.CaptureFixture
) -> None:
    uninterrupted = project.train()
    shutil.rmtree(project.checkpoint.parent)
    project.checkpoint.parent.write_text("no folder")
    capsys.readouterr()
    assert project.train() == uninterrupted
    messages = [line for line in capsys.readouterr().err.splitlines() if str(project.checkpoint) in line]
    assert len([line for line in messages if "cannot be written" in line]) == 1


def test_moments_have_the_memory_layout_of_their_weights() -> None:
    """Fused kernels read both at the same offsets."""
    layer = torch.nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for name in ("adam", "sgd"):
        phase = Phase.model_validate({"optimizer": name, "lr": 0.1, "momentum": 0.9, "max_epochs": 1})
        first, second = make_optimizer(phase, layer), make_optimizer(phase, layer)
        layer(torch.ones(1, 3, 5, 5)).sum().backward()
        first.step()
        state = first.state_dict()
        contiguous = {
            str(number): {key: value.contiguous() for key, value in values.items()}
            for number, values in state["state"].items()
        }
        load_optimizer(second, {**state, "state": contiguous})
        for before, after in zip(first.state.values(), second.state.values(), strict=True):
            for key, value in before.items():
                assert torch.equal(after[key], value)
                assert after[key].stride() == value.stride()


TRAIN_AND_KILL = f"""
import os, runpy, sys
from fashion.training import checkpoint
checkpoint.MIN_INTERVAL, checkpoint.MAX_SHARE = 0, float("inf")
on_epoch = checkpoint.Checkpoint.on_epoch
def save_and_die(self, state):
    on_epoch(self, state)
    if state["epochs_done"] == 3:
        os.kill(os.getpid(), {int(signal.SIGKILL)})
checkpoint.Checkpoint.on_epoch = save_and_die
sys.argv = ["train", "mlp_200"]
runpy.run_module("stages.models.train", run_name="__main__")
"""


def test_a_stage_that_is_killed_resumes_when_it_runs_again(tmp_path: Path) -> None:
    make_clone(tmp_path)
    edit_params(tmp_path, lambda params: params["train"].update(max_epochs=5))
    train_stage = ("python", "-m", "stages.models.train", "mlp_200")
    run(tmp_path, "python", "-m", "stages.data.ingest")
    run(tmp_path, "python", "-m", "stages.data.split")
    run(tmp_path, *train_stage)
    outputs = [tmp_path / "models/mlp_200.safetensors", tmp_path / "data/histories/mlp_200.csv"]
    folder = tmp_path / "checkpoints"
    uninterrupted = [path.read_bytes() for path in outputs]
    for path in outputs:
        path.unlink()
    environment = {**ENVIRONMENT, "PYTHONPATH": str(tmp_path / "src")}
    killed = subprocess.run([sys.executable, "-c", TRAIN_AND_KILL], cwd=tmp_path, env=environment, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert [path.name for path in folder.iterdir()] == ["mlp_200.safetensors"]
    assert run(tmp_path, "git", "status", "--short", "checkpoints") == ""
    assert "mlp_200: going on after epoch 3 of 5\n" in run(tmp_path, *train_stage)
    assert [path.read_bytes() for path in outputs] == uninterrupted
    assert list(folder.iterdir()) == []
