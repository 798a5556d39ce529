"""Limits of the image size that `auto` chooses, in pixels a side."""

MIN_SIDE = 20  # networks that pool need room, and a shift by one pixel changes a small image much
MAX_SIDE = 224  # the work of a network grows with the area; networks for photographs commonly take this side


def enlarged_side(side: int) -> int:
    """Give the smallest multiple of `side` that is at least `MIN_SIDE`.

    >>> enlarged_side(8), enlarged_side(28)
    (24, 28)
    """
    return side * -(-MIN_SIDE // side)


def chosen_size(height: int, width: int) -> tuple[int, int]:
    """Give the height and width of arrays for images of about this height and width, within the limits.

    The longer side has at most `MAX_SIDE` pixels. If the shorter side is below `MIN_SIDE`, both are multiplied by the
    smallest whole number that brings it there; a strip that is too long for that gets a margin.

    >>> chosen_size(28, 28), chosen_size(8, 12), chosen_size(600, 800), chosen_size(4, 100)
    ((28, 28), (24, 36), (168, 224), (20, 224))
    """
    factor = min(enlarged_side(min(height, width)) / min(height, width), MAX_SIDE / max(height, width))
    return max(round(height * factor), MIN_SIDE), max(round(width * factor), MIN_SIDE)
