"""Limits of the image size that `auto` chooses, in pixels a side."""

MIN_SIDE = 20  # networks that pool need room, and a shift by one pixel changes a small image much
MAX_SIDE = 224  # the work of a network grows with the area; photographs are commonly trained at this side


def enlarged_side(side: int) -> int:
    """Give the smallest multiple of `side` that is at least `MIN_SIDE`.

    >>> enlarged_side(8), enlarged_side(28)
    (24, 28)
    """
    return side * -(-MIN_SIDE // side)
