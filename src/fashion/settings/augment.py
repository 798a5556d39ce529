"""Section `augment`."""

from fashion.settings.fields import Index, Strict


class AugmentSettings(Strict):
    """crop: pixels cut off each side before zooming back to size."""

    crop: Index
