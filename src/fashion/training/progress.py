"""Show the progress of a training: a bar with the time left in a terminal, a line for each validation elsewhere."""

import sys
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TextIO

from tqdm import tqdm

from fashion.training.callbacks import Callback

HEARTBEAT = 60  # seconds without output after which a line says how far the training is


class TrainingProgress(Callback):
    """Print the progress of the training of `name` to a stream, stderr by default.

    epochs: the number of epochs of each phase, at most; for a phase without one, the time left is that of its epoch.
    trainings_left: number of trainings like this one that follow it; the time left is that of all.
    The time left is computed from the mean speed of this run so far, validations included; it is less if a phase ends
    early.

    >>> TrainingProgress("final", epochs={"main": 24, "finetune": 2})
    """

    def __init__(
        self,
        name: str,
        stream: TextIO | None = None,
        *,
        epochs: Mapping[str, int] = MappingProxyType({}),
        trainings_left: int = 0,
    ) -> None:
        self.name, self.epochs, self.stream = name, epochs, stream or sys.stderr
        self.trainings_left = trainings_left
        self.last_output = self.row_started = time.monotonic()
        self.measured_since: float | None = None  # the end of the first batch, which takes longer than the others
        self.measured_images = 0
        self.position, self.done, self.left = ("", 0), 0, 0
        self.bar: tqdm | None = None

    def on_batch(self, phase: str, epoch: int, done: int, num_images: int) -> None:
        """Advance the bar, or print a line once a minute."""
        if (phase, epoch) != self.position:  # an epoch without a validation ends without a row
            self.position, self.done = (phase, epoch), 0
            self.close_bar()
        if self.measured_since is None:
            self.measured_since = time.monotonic()
        else:
            self.measured_images += done - self.done
        self.done, self.left = done, self.images_left(phase, epoch, num_images) - done
        title = f"{self.name} {phase} epoch {epoch + 1}"
        if phase in self.epochs:
            title += f" of {self.epochs[phase]}"
        if self.stream.isatty():
            if self.bar is None:
                self.bar = tqdm(
                    total=num_images, desc=title, unit=" images", file=self.stream, leave=False, mininterval=0.5
                )
            self.bar.set_postfix_str(self.time_left().lstrip(", "), refresh=False)
            self.bar.update(done - self.bar.n)
        elif time.monotonic() - self.last_output > HEARTBEAT:
            self.print(f"{title}: {done / num_images:.0%}{self.time_left()}")

    def images_left(self, phase: str, epoch: int, num_images: int) -> int:
        """Count the images of this epoch and of all that follow it, if each has `num_images`."""
        if phase not in self.epochs:
            return num_images
        phases = list(self.epochs)
        later_phases = phases[phases.index(phase) + 1 :]
        later_epochs = sum(self.epochs[name] for name in later_phases) + self.trainings_left * sum(self.epochs.values())
        return num_images * (self.epochs[phase] - epoch + later_epochs)

    def time_left(self) -> str:
        """Say after a comma how long the rest takes; nothing before the second batch of this run, or at its end."""
        if self.measured_since is None or not self.measured_images or not self.left:
            return ""
        seconds = self.left * (time.monotonic() - self.measured_since) / self.measured_images
        return f", about {duration(seconds)} left" + ("" if self.epochs else " in this epoch")

    def on_validation(self, row: dict[str, Any]) -> None:
        """Print losses, accuracies, the time since the last row, and the time left."""
        self.close_bar()
        now = time.monotonic()
        self.print(
            f"{self.name} {row['phase']} epoch {row['epoch']}: "
            f"train loss {row['train_loss']:.4f} accuracy {row['train_accuracy']:.4f}, "
            f"validation loss {row['val_loss']:.4f} accuracy {row['val_accuracy']:.4f}, "
            f"{now - self.row_started:.1f} s{self.time_left()}"
        )
        self.row_started = now

    def log(self, message: str) -> None:
        """Print a line about the training."""
        self.close_bar()
        self.print(f"{self.name}: {message}")

    def close_bar(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def print(self, line: str) -> None:
        print(line, file=self.stream, flush=True)
        self.last_output = time.monotonic()


def duration(seconds: float) -> str:
    """Format a duration: `40 s`, `2:05 min`, `1:20 h`."""
    minutes, seconds = divmod(round(seconds), 60)
    if not minutes:
        return f"{seconds} s"
    return f"{minutes}:{seconds:02} min" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02} h"
