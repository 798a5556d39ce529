import io

import pytest

from fashion.training.learning import Callbacks, Labelled, learn
from fashion.training.progress import TrainingProgress
from small import CLASSES, settings, system


def test_progress_is_a_line_an_epoch_where_there_is_no_terminal(train: Labelled, validation: Labelled) -> None:
    stream = io.StringIO()
    progress = TrainingProgress("small", stream)
    learn(
        system(),
        settings(max_epochs=2),
        train,
        validation,
        classes=CLASSES,
        callbacks=Callbacks(progress.on_step, progress.on_epoch),
    )
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("small adam epoch 2: train loss ")


def test_progress_says_that_it_goes_on_when_an_epoch_takes_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("fashion.training.progress.time.monotonic", lambda: now[0])
    stream = io.StringIO()
    progress = TrainingProgress("large", stream)
    for done in range(100, 600, 100):
        now[0] += 30
        progress.on_step("adam", 0, done, 1000)
    assert stream.getvalue().splitlines() == ["large adam epoch 1: 30%, 210 s left in it"]


def test_progress_counts_an_epoch_from_its_start_also_where_the_last_one_had_no_validation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr("fashion.training.progress.time.monotonic", lambda: now[0])
    stream = io.StringIO()
    progress = TrainingProgress("large", stream)
    for epoch, done, images in ((0, 1000, 1000), (1, 100, 600), (1, 300, 600)):
        progress.on_step("main", epoch, done, images)
        now[0] += 50
    assert stream.getvalue().splitlines() == ["large main epoch 2: 50%, 50 s left in it"]


def test_progress_is_a_bar_with_the_time_left_in_a_terminal() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    progress = TrainingProgress("small", stream)
    progress.on_step("adam", 0, 500, 1000)
    assert progress.bar is not None
    assert (progress.bar.n, progress.bar.total) == (500, 1000)
    assert "small adam epoch 1:" in stream.getvalue()
    progress.on_step("adam", 0, 700, 1000)
    assert progress.bar.n == 700
    progress.on_step("adam", 1, 500, 1000)
    assert progress.bar.n == 500, "each epoch has a bar of its own"
