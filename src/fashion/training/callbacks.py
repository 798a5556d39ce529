"""The interface of callbacks: what a `Trainer` calls during a training."""

from typing import Any


class Callback:
    """Override what you need.

    >>> class PrintLoss(Callback):
    ...     def on_validation(self, row):
    ...         print(row["epoch"], row["val_loss"])
    """

    def on_batch(self, phase: str, epoch: int, done: int, num_images: int) -> None:
        """Called after each batch, when `done` of the epoch's `num_images` images are done. Epochs count from 0."""

    def on_validation(self, row: dict[str, Any]) -> None:
        """Called after each validation, with the new row of the history."""

    def on_epoch(self, state: dict[str, Any]) -> None:
        """Called after each epoch, with the state to resume from. Its tensors change in the next epoch."""

    def on_end(self, state: dict[str, Any]) -> None:
        """Called at the end of the training, with its state."""
