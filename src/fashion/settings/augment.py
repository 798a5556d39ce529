"""Section `augment`: the zoomed copies of training images."""

from fashion.settings.fields import NonNegativeInt, Strict


class AugmentSettings(Strict):
    """How training images are zoomed.

    crop: pixels cut off each side before the rest is enlarged to the original size.
    """

    crop: NonNegativeInt
