import io

import pytest

from fashion.training.progress import TrainingProgress
from fashion.training.train import TrainingData, train_classifier
from small import make_settings, make_system


def test_progress_is_a_line_for_each_validation_without_a_terminal(data: TrainingData) -> None:
    stream = io.StringIO()
    progress = TrainingProgress("small", stream)
    train_classifier(make_system(), make_settings(max_epochs=2), data, callbacks=[progress])
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("small adam epoch 2: train loss ")


def test_progress_prints_a_line_a_minute_in_a_long_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("fashion.training.progress.time.monotonic", lambda: now[0])
    stream = io.StringIO()
    progress = TrainingProgress("large", stream)
    for done in range(100, 600, 100):
        now[0] += 30
        progress.on_batch("adam", 0, done, 1000)
    assert stream.getvalue().splitlines() == ["large adam epoch 1: 30%, 210 s left in it"]


def test_the_time_left_counts_from_the_start_of_the_epoch_also_after_one_without_validation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr("fashion.training.progress.time.monotonic", lambda: now[0])
    stream = io.StringIO()
    progress = TrainingProgress("large", stream)
    for epoch, done, num_images in ((0, 1000, 1000), (1, 100, 600), (1, 300, 600)):
        progress.on_batch("main", epoch, done, num_images)
        now[0] += 50
    assert stream.getvalue().splitlines() == ["large main epoch 2: 50%, 50 s left in it"]


def test_progress_is_a_bar_with_the_time_left_in_a_terminal() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    progress = TrainingProgress("small", stream)
    progress.on_batch("adam", 0, 500, 1000)
    assert progress.bar is not None
    assert (progress.bar.n, progress.bar.total) == (500, 1000)
    assert "small adam epoch 1:" in stream.getvalue()
    progress.on_batch("adam", 0, 700, 1000)
    assert progress.bar.n == 700
    progress.on_batch("adam", 1, 500, 1000)
    assert progress.bar.n == 500, "each epoch has its own bar"
