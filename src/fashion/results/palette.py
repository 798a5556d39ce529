"""The colours of figures and report."""

from collections.abc import Iterable

# Okabe and Ito's palette, which colour-blind readers can tell apart too (https://jfly.uni-koeln.de/color).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


def assign_colours(names: Iterable[str]) -> dict[str, str]:
    """Give each distinct name a colour, in order; after the last colour, the first one comes again.

    >>> assign_colours(["cnn", "mlp", "cnn"])
    {'cnn': '#0072B2', 'mlp': '#D55E00'}
    """
    return {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(dict.fromkeys(names))}
