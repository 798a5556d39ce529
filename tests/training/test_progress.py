import io

import pytest

from fashion.training.progress import TrainingProgress, duration
from fashion.training.train import TrainingData, train_classifier
from small import make_settings, make_system


def test_progress_is_a_line_for_each_validation_without_a_terminal(data: TrainingData) -> None:
    stream = io.StringIO()
    progress = TrainingProgress("small", stream, epochs={"adam": 2})
    train_classifier(make_system(), make_settings(max_epochs=2), data, callbacks=[progress])
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("small adam epoch 1: train loss ")
    assert lines[0].endswith(" s left")
    assert lines[1].startswith("small adam epoch 2: train loss ")
    assert not lines[1].endswith("left"), "the training ends"


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Give a clock of one element, which a test sets."""
    clock = [0.0]
    monkeypatch.setattr("fashion.training.progress.time.monotonic", lambda: clock[0])
    return clock


def test_progress_prints_a_line_a_minute_with_the_time_left_of_the_whole_training(now: list[float]) -> None:
    stream = io.StringIO()
    progress = TrainingProgress("large", stream, epochs={"main": 3, "finetune": 2})
    for done in range(100, 600, 100):
        now[0] += 30
        progress.on_batch("main", 0, done, 1000)
    # 200 images after the first batch took 60 s; 700 images of this epoch and 4 epochs of 1,000 are left
    assert stream.getvalue().splitlines() == ["large main epoch 1 of 3: 30%, about 23:30 min left"]


def test_the_time_left_learns_from_what_is_done_also_in_epochs_without_validation(now: list[float]) -> None:
    stream = io.StringIO()
    progress = TrainingProgress("large", stream, epochs={"main": 2, "finetune": 1})
    for phase, epoch, done, seconds in (
        ("main", 0, 500, 100),  # the first batch compiles kernels: not counted
        ("main", 0, 1000, 50),
        ("main", 1, 500, 70),
        ("main", 1, 1000, 60),
        ("finetune", 0, 500, 61),
    ):
        now[0] += seconds
        progress.on_batch(phase, epoch, done, 1000)
    assert stream.getvalue().splitlines() == [
        "large main epoch 1 of 2: 50%",
        "large main epoch 2 of 2: 50%, about 3:00 min left",
        "large finetune epoch 1 of 1: 50%, about 1:00 min left",
    ]


def test_a_training_that_goes_on_from_a_checkpoint_counts_the_epochs_that_are_left(now: list[float]) -> None:
    stream = io.StringIO()
    progress = TrainingProgress("large", stream, epochs={"main": 10})
    for done in (500, 1000):
        now[0] += 61
        progress.on_batch("main", 8, done, 1000)
    assert stream.getvalue().splitlines()[-1] == "large main epoch 9 of 10: 100%, about 2:02 min left"


def test_without_the_number_of_epochs_the_time_left_is_that_of_the_epoch(now: list[float]) -> None:
    stream = io.StringIO()
    progress = TrainingProgress("large", stream)
    for done in (100, 200, 300):
        now[0] += 31
        progress.on_batch("main", 0, done, 400)
    assert stream.getvalue().splitlines() == ["large main epoch 1: 50%, about 1:02 min left in this epoch"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.7, "1:00 min"), (125, "2:05 min"), (2040, "34:00 min"), (4800, "1:20 h")]
)
def test_durations_have_a_unit(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_progress_is_a_bar_with_the_time_left_in_a_terminal() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    progress = TrainingProgress("small", stream, epochs={"adam": 3})
    progress.on_batch("adam", 0, 500, 1000)
    assert progress.bar is not None
    assert (progress.bar.n, progress.bar.total) == (500, 1000)
    assert "small adam epoch 1 of 3:" in stream.getvalue()
    progress.on_batch("adam", 0, 700, 1000)
    assert progress.bar.n == 700
    assert progress.bar.postfix.startswith("about ")
    progress.on_batch("adam", 1, 500, 1000)
    assert progress.bar.n == 500, "each epoch has its own bar"
