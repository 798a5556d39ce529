"""What pictures and the report share: colours, and on which ground images are shown."""

from collections.abc import Iterable

import numpy as np

# Okabe and Ito's palette, which colour-blind readers can tell apart too (https://jfly.uni-koeln.de/color).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


def colours_of(names: Iterable[str]) -> dict[str, str]:
    """Give each name a colour, in order; the palette begins again when it ends."""
    return {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(dict.fromkeys(names))}


def is_dark(images: np.ndarray) -> bool:
    """Tell whether images, N x H x W, stand on a dark ground: they are shown inverted, on a white page."""
    border = np.concatenate([images[:, [0, -1]].ravel(), images[:, :, [0, -1]].ravel()])
    return bool(np.median(border) < 128)
