"""Figures of images in a grid, in grey or colour and of any height and width, each with a caption below."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from fashion.results.figures.style import TEXT_COLOUR, WIDTH, darken, new_figure, shorten

GAP = 0.1  # between cells, as a fraction of a cell's width
LINE_HEIGHT = 0.14  # of a caption, as a fraction of a cell's width
CELL_SHAPES = (0.5, 1.5)  # height of a cell by its width; narrower and wider images are centred in such a cell
MAX_SIDE = 128  # pixels of an image in a figure, which is 960 pixels wide
ROW_NAME_WIDTH = 1.3  # inches


def image_figure(
    images: np.ndarray,
    captions: Sequence[str] = (),
    *,
    columns: int,
    title: str,
    colours: Sequence[str] = (),
    rows: Sequence[str] = (),
) -> Figure:
    """Draw uint8 images, N x C x H x W, as they are, in a grid of `columns` columns; without images, only the title.

    captions: text below each image. colours: of the captions. rows: names of the rows, to the left.
    """
    if not len(images):
        figure = new_figure(0.3)
        axes = figure.subplots()
        axes.set_axis_off()
        axes.set_title(title, fontsize=9)
        return figure
    images = shrink(images, MAX_SIDE)
    height, width = cell_shape(images)
    lines = max((caption.count("\n") + 1 for caption in captions), default=0)
    row_height = height / width + GAP + LINE_HEIGHT * lines
    side = (WIDTH - (ROW_NAME_WIDTH if rows else 0)) / (columns * (1 + GAP))  # inches
    figure = new_figure(-(-len(images) // columns) * side * row_height + 0.3)
    axes = figure.subplots()
    draw_images(axes, images, captions, columns=columns, colours=colours, rows=rows)
    axes.set_title(title, fontsize=9)
    return figure


def draw_images(
    axes: Axes,
    images: np.ndarray,
    captions: Sequence[str],
    *,
    columns: int,
    colours: Sequence[str],
    rows: Sequence[str],
) -> None:
    """Draw a grid of images as one large image: a hundred axes would take seconds."""
    height, width = cell_shape(images)
    lines = max((caption.count("\n") + 1 for caption in captions), default=0)
    gap = max(2, round(width * GAP))
    row_height, column_width = height + gap + round(width * LINE_HEIGHT * lines), width + gap
    num_rows = -(-len(images) // columns)
    grid = np.full((num_rows * row_height, columns * column_width - gap, images.shape[1]), 255, np.uint8)
    above, left_of = (height - images.shape[2]) // 2, (width - images.shape[3]) // 2
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        top, left = row * row_height + above, column * column_width + left_of
        grid[top : top + image.shape[1], left : left + image.shape[2]] = np.moveaxis(image, 0, -1)
        if captions:
            axes.text(
                column * column_width + width / 2,
                row * row_height + height + gap / 2,
                captions[index],
                ha="center",
                va="top",
                fontsize=7,
                linespacing=1.15,
                color=darken(colours[index]) if colours else TEXT_COLOUR,
            )
    for row, name in enumerate(rows):
        axes.text(-gap * 2, row * row_height + height / 2, shorten(name), ha="right", va="center", fontsize=8)
    # "auto" enlarges a few pixels as squares, and smooths images that have about as many pixels as their place.
    axes.imshow(np.squeeze(grid, -1) if grid.shape[-1] == 1 else grid, "gray", vmin=0, vmax=255, interpolation="auto")
    axes.set_axis_off()


def cell_shape(images: np.ndarray) -> tuple[int, int]:
    """Give height and width of the cell of each image, in pixels: those of the image, or more.

    >>> cell_shape(np.zeros((1, 1, 28, 28))), cell_shape(np.zeros((1, 3, 16, 64))), cell_shape(np.zeros((1, 3, 60, 20)))
    ((28, 28), (32, 64), (60, 40))
    """
    height, width = images.shape[2:]
    lowest, highest = CELL_SHAPES
    return max(height, round(width * lowest)), max(width, round(height / highest))


def shrink(images: np.ndarray, max_side: int) -> np.ndarray:
    """Shrink uint8 images, N x C x H x W, to at most `max_side` pixels a side; smaller ones are kept."""
    height, width = images.shape[2:]
    if max(height, width) <= max_side:
        return images
    scale = max_side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    planes = images.reshape(-1, height, width)
    shrunk = np.stack([np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BOX)) for plane in planes])
    return shrunk.reshape(*images.shape[:2], *shrunk.shape[1:])


def blanks(images: np.ndarray, count: int) -> np.ndarray:
    """Give `count` images in the colour of the page, for places of a grid without an image."""
    return np.full((count, *images.shape[1:]), 255, np.uint8)
