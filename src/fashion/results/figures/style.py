"""Style of all figures: sizes, fonts, colours, tables and labels. The same data give the same bytes."""

import io
import logging
import re
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.image import AxesImage
from PIL import Image

from fashion.files import atomic_write
from fashion.results.palette import COLOURS

WIDTH = 8.0  # inches; a README shows images of this width without scaling them down
DPI = 120
CORRECT_COLOUR, WRONG_COLOUR = COLOURS[0], COLOURS[1]
TRAIN_COLOUR, VAL_COLOUR = COLOURS[4], COLOURS[0]
TEXT_COLOUR, GREY, LIGHT_GREY = "#222222", "#767676", "#e8e8e8"
PLACEHOLDERS = re.compile(r"\.?Last ?Resort")  # a font with a box for each character; matplotlib comes with it
MAX_NAMED = 5  # classes that a message names
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
    with atomic_write(path) as temporary:
        if path.suffix == ".svg":
            with warnings.catch_warnings():
                # Text stays text: it is drawn with the fonts of the reader. See `legible_names` for PNG files.
                warnings.filterwarnings("ignore", "Glyph .* missing from font")
                figure.savefig(temporary, format="svg", metadata={"Date": None})
        else:
            png = io.BytesIO()
            figure.savefig(png, format="png")
            # A palette makes the file a third as large. MEDIANCUT keeps the shades of colour images, and FASTOCTREE the
            # colours that only a few letters have.
            arrays = [image.get_array() for image in figure.findobj(AxesImage)]
            in_colour = any(array is not None and array.ndim == 3 for array in arrays)
            colours, method = (256, Image.Quantize.MEDIANCUT) if in_colour else (128, Image.Quantize.FASTOCTREE)
            image = Image.open(png).convert("RGB").quantize(colours, method, dither=Image.Dither.NONE)
            image.save(temporary, format="png")


def write_png(path: Path, image: np.ndarray) -> None:
    """Write a uint8 image, H x W or H x W x 3, as PNG with a palette of at most 256 levels or colours."""
    with atomic_write(path) as temporary:
        colours = 256 if image.ndim == 3 else len(np.unique(image))
        Image.fromarray(image).quantize(colours, dither=Image.Dither.NONE).save(temporary, format="png", optimize=True)


def legible_names(names: Sequence[str], word: str) -> list[str]:
    r"""Replace names that no installed font can draw in PNG files by `word` and their index; load fonts for the rest.

    >>> legible_names(["cat", "\U0010f000"], "class")
    ['cat', 'class 1']
    """
    missing = load_fonts("".join(names))
    return [f"{word} {index}" if missing & set(name) else name for index, name in enumerate(names)]


def legible_classes(classes: Sequence[str]) -> list[str]:
    """Give the names of the classes in PNG files, and print which ones have a number for a name."""
    names = legible_names(classes, "class")
    numbered = [f"{new} is {name}" for new, name in zip(names, classes, strict=True) if new != name]
    if numbered:
        print(
            f"no installed font can draw the names of some classes ({len(numbered)}), so PNG figures number them: "
            f"{', '.join(numbered[:MAX_NAMED])}{' ...' if len(numbered) > MAX_NAMED else ''}; install a font, such as "
            "Debian's fonts-noto-cjk, and run `dvc repro --force --single-item show_data show_predictions`",
            flush=True,
        )
    return names


def load_fonts(characters: str) -> set[str]:
    """Let figures use installed fonts for characters that DejaVu Sans lacks; give the characters that no font has."""
    default, *others = mpl.rcParams["font.family"]
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # a font may lack the bold of titles
    missing = {ord(character) for character in characters} - glyphs(font_manager.findfont(default))
    if not missing:
        return set()
    known = {font.fname for font in font_manager.fontManager.ttflist}
    for path in sorted(set(font_manager.findSystemFonts()) - known):  # installed after matplotlib listed the fonts
        with suppress(OSError, RuntimeError):  # no font, or one of bitmaps
            font_manager.fontManager.addfont(path)
    regular = [
        font
        for font in font_manager.fontManager.ttflist
        if font.style == "normal" and font.weight == 400 and not PLACEHOLDERS.match(font.name)
    ]
    available = {font.name: glyphs(font.fname) & missing for font in sorted(regular, key=lambda font: font.fname)}
    chosen = []
    while available and any(available.values()):
        best = max(available, key=lambda name: len(available[name]))
        found = available.pop(best)
        missing -= found
        available = {name: characters_of - found for name, characters_of in available.items()}
        chosen.append(best)
    mpl.rcParams["font.family"] = list(dict.fromkeys([default, *chosen, *others]))
    return {chr(code) for code in missing}


def glyphs(font: str) -> set[int]:
    """Give the characters of a font file."""
    return set(FT2Font(font).get_charmap())


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


def shorten_start(name: str, max_length: int = 18) -> str:
    """Cut a long name of a file, whose end says more than its beginning.

    >>> shorten_start("a very long file.png", 10)
    '… file.png'
    """
    return name if len(name) <= max_length else "…" + name[1 - max_length :]


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
