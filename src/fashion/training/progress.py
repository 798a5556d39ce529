"""Show how a training goes: a bar with the time left in a terminal, a line an epoch elsewhere."""

import sys
import time
from typing import TextIO

from tqdm import tqdm

HEARTBEAT = 60  # seconds without an epoch's end after which a line says that work goes on


class TrainingProgress:
    """Callbacks for a `Trainer`."""

    def __init__(self, name: str, stream: TextIO | None = None) -> None:
        self.name, self.stream = name, stream or sys.stderr
        self.started = self.spoke = time.monotonic()
        self.row_started = self.epoch_started = self.started
        self.epoch = 0
        self.bar: tqdm | None = None

    def on_step(self, phase: str, epoch: int, done: int, images: int) -> None:
        """Move the bar, or say every minute how far the epoch is."""
        if epoch != self.epoch:  # not each epoch ends with a validation, and so with a row
            self.epoch, self.epoch_started = epoch, time.monotonic()
            self.close_bar()
        if self.stream.isatty():
            if self.bar is None:
                title = f"{self.name} {phase} epoch {epoch + 1}"
                self.bar = tqdm(
                    total=images, desc=title, unit=" images", file=self.stream, leave=False, mininterval=0.5
                )
            self.bar.update(done - self.bar.n)
        elif time.monotonic() - self.spoke > HEARTBEAT:
            elapsed = time.monotonic() - self.epoch_started
            left = elapsed * (images - done) / done
            self.say(f"{self.name} {phase} epoch {epoch + 1}: {done / images:.0%}, {left:.0f} s left in it")

    def on_epoch(self, row: dict) -> None:
        """Print the epoch's figures and the time since the last ones."""
        self.close_bar()
        now = time.monotonic()
        self.say(
            f"{self.name} {row['phase']} epoch {row['epoch']}: "
            f"train loss {row['train_loss']:.4f} accuracy {row['train_accuracy']:.4f}, "
            f"validation loss {row['val_loss']:.4f} accuracy {row['val_accuracy']:.4f}, "
            f"{now - self.row_started:.1f} s"
        )
        self.row_started = self.epoch_started = now

    def finish(self, best_accuracy: float) -> None:
        """Print the best validation accuracy and the time since the start; before that, there may have been another."""
        self.note(f"best validation accuracy {best_accuracy:.4f}, {time.monotonic() - self.started:.0f} s in this run")

    def note(self, text: str) -> None:
        """Print a line about the training."""
        self.close_bar()
        self.say(f"{self.name}: {text}")

    def close_bar(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def say(self, text: str) -> None:
        print(text, file=self.stream, flush=True)
        self.spoke = time.monotonic()
