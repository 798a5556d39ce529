"""One look for all pictures: fonts, colours, sizes. The same data give the same bytes."""

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

from fashion.files import replacing
from fashion.results.look import COLOURS

WIDTH = 8.0  # inches, as wide as a README shows without shrinking
DPI = 120
RIGHT, WRONG = COLOURS[0], COLOURS[1]
TRAINING, VALIDATION = COLOURS[4], COLOURS[0]
LINE = 0.2  # of an image's height, for a line of its caption
INK, FAINT, PALE = "#222222", "#767676", "#e8e8e8"
mpl.rcParams |= {
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.axisbelow": True,
    "grid.color": PALE,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "text.parse_math": False,  # a class may be called $x$
    "figure.facecolor": "white",
    "svg.fonttype": "none",  # letters stay letters: smaller, sharp, to be searched and read aloud
    "svg.hashsalt": "fashion",
}


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """Begin a figure, sizes in inches."""
    return Figure(figsize=(width, height), layout="constrained", dpi=DPI)


def save(figure: Figure, path: Path) -> None:
    """Write .svg or .png, without a date or a version."""
    with replacing(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # the name of a class may be an emoji
        if path.suffix == ".svg":
            figure.savefig(temporary, format="svg", metadata={"Date": None})
        else:
            drawn = io.BytesIO()
            figure.savefig(drawn, format="png")
            # A palette makes the file a third as large; an octree keeps colours that only a few letters have.
            picture = Image.open(drawn).convert("RGB")
            picture.quantize(128, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(temporary, format="png")


def write_grey(path: Path, image: np.ndarray) -> None:
    """Write a uint8 image of H x W as PNG, with a palette of the grey levels that it has, 256 at most."""
    with replacing(path) as temporary:
        Image.fromarray(image).quantize(len(np.unique(image)), dither=Image.Dither.NONE).save(
            temporary, format="png", optimize=True
        )


def as_ink(colour: str) -> str:
    """Darken a colour for letters, which need more contrast than areas (4.5 to 1 on white)."""
    red, green, blue = (part * 0.75 for part in to_rgb(colour))
    return to_hex((red, green, blue))


def short(name: str, letters: int = 18) -> str:
    """Cut a long name, so that it leaves room for the picture."""
    return name if len(name) <= letters else name[: letters - 1] + "…"


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
    """Draw uint8 images of N x H x W in rows of so many, each with its caption below, each row with its name before.

    As one large picture: a hundred axes of their own take seconds.
    """
    height, width = images.shape[1:]
    lines = max((caption.count("\n") + 1 for caption in captions), default=0)
    gap = max(2, round(height * 0.1))
    foot = gap + round(height * LINE * lines)
    count = -(-len(images) // columns)
    sheet = np.full((count * (height + foot), columns * (width + gap) - gap), 255, np.uint8)
    for number, image in enumerate(images):
        row, column = divmod(number, columns)
        top, left = row * (height + foot), column * (width + gap)
        sheet[top : top + height, left : left + width] = 255 - image if inverted else image
        if captions:
            axes.text(
                left + width / 2,
                top + height + gap / 2,
                captions[number],
                ha="center",
                va="top",
                fontsize=7,
                linespacing=1.15,
                color=as_ink(colours[number]) if colours else INK,
            )
    for row, name in enumerate(rows):
        axes.text(-gap * 2, row * (height + foot) + height / 2, short(name), ha="right", va="center", fontsize=8)
    axes.imshow(sheet, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set_axis_off()


def height_of(images: int, *, columns: int, width: float, lines: int = 0) -> float:
    """Give the inches that `draw_images` needs for square images on so many inches of width."""
    side = width / (columns * 1.1)
    return -(-images // columns) * side * (1.1 + LINE * lines)


def label_ends(axes: Axes, ends: Mapping[str, tuple[float, float, str]]) -> None:
    """Name curves at their ends, in place of a legend: name to x, y and colour; names that would touch move apart."""
    low, high = axes.get_ylim()
    room = (high - low) * 0.062
    names = sorted(ends, key=lambda name: ends[name][1])
    places: list[float] = []
    for name in names:
        places.append(max(ends[name][1], places[-1] + room if places else low))
    for number in range(len(names)):  # back down, where the highest stick out
        places[-1 - number] = min(places[-1 - number], high - room * number)
    for name, place in zip(names, places, strict=True):
        x, y, colour = ends[name]
        axes.annotate(
            short(name),
            (x, y),
            xytext=(1.03, place),
            textcoords=axes.get_yaxis_transform(),
            color=as_ink(colour),
            fontsize=7.5,
            va="center",
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.5, "alpha": 0.6, "shrinkA": 0, "shrinkB": 0},
            annotation_clip=False,
        )


def label_bar(axes: Axes, length: float, place: float, text: str, **look: Any) -> None:
    """Write beside the end of a lying bar."""
    ground = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
    axes.annotate(text, (length, place), xytext=(4, 0), textcoords="offset points", va="center", bbox=ground, **look)


def draw_table(
    axes: Axes, header: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[float], *, left: int = 1
) -> None:
    """Write a table over the whole of `axes`: so many columns of text to the left, numbers to the right.

    widths: of the columns, in any unit.
    """
    ends = np.cumsum(widths) / np.sum(widths)
    axes.set_xlim(0, 1)
    axes.set_ylim(len(rows) + 1, 0)
    axes.set_axis_off()
    for number, row in enumerate([header, *rows]):
        for column, cell in enumerate(row):
            x, side = (
                (ends[column] - widths[column] / sum(widths), "left") if column < left else (ends[column], "right")
            )
            weight = "bold" if number == 0 else "normal"
            axes.text(x, number + 0.5, cell, ha=side, va="center", fontsize=8, fontweight=weight)
        axes.axhline(number + 1, color=FAINT if number == 0 else PALE, linewidth=0.8)
