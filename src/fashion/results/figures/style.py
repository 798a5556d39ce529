"""Style of all figures: sizes, fonts, colours, image grids, tables and labels. The same data give the same bytes."""

import io
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from PIL import Image

from fashion.files import atomic_write
from fashion.results.palette import COLOURS

WIDTH = 8.0  # inches; a README shows images of this width without scaling them down
DPI = 120
CORRECT_COLOUR, WRONG_COLOUR = COLOURS[0], COLOURS[1]
TRAIN_COLOUR, VAL_COLOUR = COLOURS[4], COLOURS[0]
TEXT_COLOUR, GREY, LIGHT_GREY = "#222222", "#767676", "#e8e8e8"
LINE_HEIGHT = 0.2  # of a caption, as a fraction of the image's height
mpl.rcParams |= {
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": TEXT_COLOUR,
    "axes.axisbelow": True,
    "grid.color": LIGHT_GREY,
    "xtick.color": TEXT_COLOUR,
    "ytick.color": TEXT_COLOUR,
    "text.color": TEXT_COLOUR,
    "text.parse_math": False,  # a class may be called $x$
    "figure.facecolor": "white",
    "svg.fonttype": "none",  # text stays text: the file is smaller, and screen readers and searches can read it
    "svg.hashsalt": "fashion",
}


def new_figure(height: float) -> Figure:
    """Create a figure of `WIDTH` and `height` inches."""
    return Figure(figsize=(WIDTH, height), layout="constrained", dpi=DPI)


def save(figure: Figure, path: Path) -> None:
    """Write a figure as .svg or .png, without the date and matplotlib's version."""
    with atomic_write(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # the name of a class may be an emoji
        if path.suffix == ".svg":
            figure.savefig(temporary, format="svg", metadata={"Date": None})
        else:
            png = io.BytesIO()
            figure.savefig(png, format="png")
            # A palette makes the file a third as large; FASTOCTREE keeps colours that only a few letters have.
            image = Image.open(png).convert("RGB")
            image.quantize(128, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(temporary, format="png")


def write_greyscale(path: Path, image: np.ndarray) -> None:
    """Write a uint8 image, H x W, as PNG with a palette of its grey levels, at most 256."""
    with atomic_write(path) as temporary:
        Image.fromarray(image).quantize(len(np.unique(image)), dither=Image.Dither.NONE).save(
            temporary, format="png", optimize=True
        )


def darken(colour: str) -> str:
    """Darken a colour for text, which needs more contrast than areas (4.5 to 1 on white)."""
    red, green, blue = (channel * 0.75 for channel in to_rgb(colour))
    return to_hex((red, green, blue))


def shorten(name: str, max_length: int = 18) -> str:
    """Cut a long name, which would leave no space for the plot.

    >>> shorten("a very long class name", 10)
    'a very lo…'
    """
    return name if len(name) <= max_length else name[: max_length - 1] + "…"


def draw_images(
    axes: Axes,
    images: np.ndarray,
    captions: Sequence[str] = (),
    *,
    columns: int,
    colours: Sequence[str] = (),
    rows: Sequence[str] = (),
    inverted: bool,
) -> None:
    """Draw uint8 images, N x H x W, in a grid of `columns` columns.

    captions: text below each image. colours: of the captions. rows: names of the rows, to the left.
    The grid is drawn as one large image: a hundred axes would take seconds.
    """
    height, width = images.shape[1:]
    caption_lines = max((caption.count("\n") + 1 for caption in captions), default=0)
    gap = max(2, round(height * 0.1))
    space_below = gap + round(height * LINE_HEIGHT * caption_lines)
    num_rows = -(-len(images) // columns)
    grid = np.full((num_rows * (height + space_below), columns * (width + gap) - gap), 255, np.uint8)
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        top, left = row * (height + space_below), column * (width + gap)
        grid[top : top + height, left : left + width] = 255 - image if inverted else image
        if captions:
            axes.text(
                left + width / 2,
                top + height + gap / 2,
                captions[index],
                ha="center",
                va="top",
                fontsize=7,
                linespacing=1.15,
                color=darken(colours[index]) if colours else TEXT_COLOUR,
            )
    for row, name in enumerate(rows):
        y = row * (height + space_below) + height / 2
        axes.text(-gap * 2, y, shorten(name), ha="right", va="center", fontsize=8)
    axes.imshow(grid, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set_axis_off()


def grid_height(num_images: int, *, columns: int, width: float, caption_lines: int = 0) -> float:
    """Compute the height, in inches, that `draw_images` needs for square images on a width of `width` inches."""
    side = width / (columns * 1.1)
    return -(-num_images // columns) * side * (1.1 + LINE_HEIGHT * caption_lines)


def label_curves(axes: Axes, ends: Mapping[str, tuple[float, float, str]]) -> None:
    """Write the names of curves beside their right ends, instead of a legend; move names apart that would overlap.

    ends: x, y and colour of the last point of each curve, by name.
    """
    low, high = axes.get_ylim()
    min_distance = (high - low) * 0.062
    names = sorted(ends, key=lambda name: ends[name][1])
    label_ys: list[float] = []
    for name in names:
        label_ys.append(max(ends[name][1], label_ys[-1] + min_distance if label_ys else low))
    for index in range(len(names)):  # from the top, move labels down that are outside the axes
        label_ys[-1 - index] = min(label_ys[-1 - index], high - min_distance * index)
    for name, label_y in zip(names, label_ys, strict=True):
        x, y, colour = ends[name]
        axes.annotate(
            shorten(name),
            (x, y),
            xytext=(1.03, label_y),
            textcoords=axes.get_yaxis_transform(),
            color=darken(colour),
            fontsize=7.5,
            va="center",
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.5, "alpha": 0.6, "shrinkA": 0, "shrinkB": 0},
            annotation_clip=False,
        )


def label_bar(axes: Axes, length: float, position: float, text: str, **text_options: Any) -> None:
    """Write text beside the end of a horizontal bar."""
    axes.annotate(
        text,
        (length, position),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
        **text_options,
    )


def draw_table(
    axes: Axes, header: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[float], *, text_columns: int = 1
) -> None:
    """Draw a table over all of `axes`.

    widths: of the columns, in any unit.
    text_columns: number of columns, from the left, that are aligned to the left; the others are aligned to the right.
    """
    right_edges = np.cumsum(widths) / np.sum(widths)
    axes.set_xlim(0, 1)
    axes.set_ylim(len(rows) + 1, 0)
    axes.set_axis_off()
    for row_index, row in enumerate([header, *rows]):
        for column, cell in enumerate(row):
            if column < text_columns:
                x, alignment = right_edges[column] - widths[column] / sum(widths), "left"
            else:
                x, alignment = right_edges[column], "right"
            weight = "bold" if row_index == 0 else "normal"
            axes.text(x, row_index + 0.5, cell, ha=alignment, va="center", fontsize=8, fontweight=weight)
        axes.axhline(row_index + 1, color=GREY if row_index == 0 else LIGHT_GREY, linewidth=0.8)
