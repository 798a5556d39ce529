"""Compute the features of all images by a pretrained network, once: data/embedded/NAME/.

python -m stages.models.embed NAME    an entry of `embed` in params.yaml

labelled_images.npy and test_images.npy have features in place of images, float32 of N x features; labelled_labels.npy
is that of data/split.
"""

import sys
import time
from typing import Any

import numpy as np
import torch

from fashion.classifier.device import (
    configure_torch,
    mixed_precision,
    move_model,
    select_device,
    select_dtype,
)
from fashion.classifier.preparation import Preparation
from fashion.errors import InputError
from fashion.files import read_array, write_array
from fashion.networks.building import factory
from fashion.params import Params
from fashion.settings.frame import Frame, read_frame
from fashion.settings.parsing import suggest
from stages import paths
from stages.entry import run_stage

BATCH = 100  # images
REPORT_EVERY = 10  # seconds


def main(params: Params, name: str) -> None:
    if name not in params.embed:
        raise InputError(f"params.yaml: embed: there is no entry {name!r}{suggest(name, params.embed)}")
    configure_torch(params.finetune.threads)
    frame, folder = read_frame(paths.ABOUT), paths.EMBEDDED / name
    for part in ("labelled", "test"):
        images = read_array(paths.images(paths.SPLIT, part))
        write_array(paths.images(folder, part), features_of(params, name, frame, images, f"embed {name}, {part}"))
    write_array(paths.labels(folder, "labelled"), read_array(paths.labels(paths.SPLIT, "labelled")))


def features_of(params: Params, name: str, frame: Frame, images: np.ndarray, title: str) -> np.ndarray:
    """Compute the features of images by an entry of `embed`, float32 of N x features. title: for the progress."""
    settings = params.embed[name]
    size = settings.input.input_size(*frame.input_part())
    arguments = settings.arguments.model_dump()
    try:
        network: Any = factory.build_network("timm", arguments, image_shape=(frame.channels, *size), num_classes=2)
        network.load_pretrained(arguments)
    except ValueError as error:
        raise InputError(f"params.yaml: embed.{name}: {error}") from None
    prepare = Preparation.of(
        images, frame, size=size, scaling=settings.input.scaling, fill=settings.input.size == "auto"
    )
    device = select_device()
    dtype = select_dtype(params.finetune.precision, device)
    move_model(network.eval(), device)
    parts = [np.empty((0, network.num_features), np.float32)]
    started = shown = time.monotonic()
    for start in range(0, len(images), BATCH):
        batch = torch.tensor(images[start : start + BATCH], device=device)
        with torch.inference_mode(), mixed_precision(dtype, device):
            parts.append(network.features(prepare(batch)).cpu().numpy())
        now, done = time.monotonic(), start + len(batch)
        if title and (now - shown > REPORT_EVERY or done == len(images)):
            shown = now
            left = (now - started) * (len(images) / done - 1)
            print(f"{title}: {done:,} of {len(images):,} images, {left:.0f} s left", file=sys.stderr, flush=True)
    return np.concatenate(parts)


if __name__ == "__main__":
    run_stage(main)
