"""Show how a training goes: a bar with the time left in a terminal, a line an epoch elsewhere."""

import sys
import time
from typing import TextIO

from tqdm import tqdm

HEARTBEAT = 60  # seconds without an epoch's end after which a line says that work goes on


class TrainingProgress:
    """Callbacks for a `Trainer`; `images` is the number in an epoch."""

    def __init__(self, name: str, images: int, stream: TextIO = sys.stderr) -> None:
        self.name, self.images, self.stream = name, images, stream
        self.started = self.spoke = time.monotonic()
        self.epoch_started = self.started
        self.bar: tqdm | None = None

    def on_step(self, phase: str, epoch: int, done: int) -> None:
        """Move the bar, or say every minute how far the epoch is."""
        if self.stream.isatty():
            if self.bar is None:
                title = f"{self.name} {phase} epoch {epoch + 1}"
                self.bar = tqdm(
                    total=self.images, desc=title, unit=" images", file=self.stream, leave=False, mininterval=0.5
                )
            self.bar.update(done - self.bar.n)
        elif time.monotonic() - self.spoke > HEARTBEAT:
            elapsed = time.monotonic() - self.epoch_started
            left = elapsed * (self.images - done) / done
            self.say(f"{self.name} {phase} epoch {epoch + 1}: {done / self.images:.0%}, {left:.0f} s left in it")

    def on_epoch(self, row: dict) -> None:
        """Print the epoch's figures and its time."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None
        now = time.monotonic()
        self.say(
            f"{self.name} {row['phase']} epoch {row['epoch']}: "
            f"train loss {row['train_loss']:.4f} accuracy {row['train_accuracy']:.4f}, "
            f"validation loss {row['val_loss']:.4f} accuracy {row['val_accuracy']:.4f}, "
            f"{now - self.epoch_started:.1f} s"
        )
        self.epoch_started = now

    def finish(self, best_accuracy: float) -> None:
        """Print the best validation accuracy and the whole time."""
        self.say(
            f"{self.name}: best validation accuracy {best_accuracy:.4f}, {time.monotonic() - self.started:.0f} s in all"
        )

    def say(self, text: str) -> None:
        print(text, file=self.stream, flush=True)
        self.spoke = time.monotonic()
