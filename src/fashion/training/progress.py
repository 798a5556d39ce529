"""Show the progress of a training: a bar with the time left in a terminal, a line for each validation elsewhere."""

import sys
import time
from typing import Any, TextIO

from tqdm import tqdm

from fashion.training.callbacks import Callback

HEARTBEAT = 60  # seconds without output after which a line says how far the epoch is


class TrainingProgress(Callback):
    """Print the progress of the training of `name` to a stream, stderr by default."""

    def __init__(self, name: str, stream: TextIO | None = None) -> None:
        self.name, self.stream = name, stream or sys.stderr
        self.started = self.last_output = time.monotonic()
        self.row_started = self.epoch_started = self.started
        self.epoch = 0
        self.bar: tqdm | None = None

    def on_batch(self, phase: str, epoch: int, done: int, num_images: int) -> None:
        """Advance the bar, or print a line once a minute."""
        if epoch != self.epoch:  # an epoch without a validation ends without a row
            self.epoch, self.epoch_started = epoch, time.monotonic()
            self.close_bar()
        if self.stream.isatty():
            if self.bar is None:
                title = f"{self.name} {phase} epoch {epoch + 1}"
                self.bar = tqdm(
                    total=num_images, desc=title, unit=" images", file=self.stream, leave=False, mininterval=0.5
                )
            self.bar.update(done - self.bar.n)
        elif time.monotonic() - self.last_output > HEARTBEAT:
            elapsed = time.monotonic() - self.epoch_started
            left = elapsed * (num_images - done) / done
            self.print(f"{self.name} {phase} epoch {epoch + 1}: {done / num_images:.0%}, {left:.0f} s left in it")

    def on_validation(self, row: dict[str, Any]) -> None:
        """Print losses, accuracies, and the time since the last row."""
        self.close_bar()
        now = time.monotonic()
        self.print(
            f"{self.name} {row['phase']} epoch {row['epoch']}: "
            f"train loss {row['train_loss']:.4f} accuracy {row['train_accuracy']:.4f}, "
            f"validation loss {row['val_loss']:.4f} accuracy {row['val_accuracy']:.4f}, "
            f"{now - self.row_started:.1f} s"
        )
        self.row_started = self.epoch_started = now

    def finish(self, best_accuracy: float) -> None:
        """Print the best validation accuracy and the time of this run; an interrupted run before it is not counted."""
        seconds = time.monotonic() - self.started
        self.log(f"best validation accuracy {best_accuracy:.4f}, {seconds:.0f} s in this run")

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
