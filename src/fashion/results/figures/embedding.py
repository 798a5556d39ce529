"""Draw images by the features of a pretrained network: a map of all, and the most similar ones of some."""

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import PurePosixPath

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from fashion.results.figures.image_grid import blanks, image_figure, shrink
from fashion.results.figures.style import (
    CORRECT_COLOUR,
    TEXT_COLOUR,
    WRONG_COLOUR,
    legible_names,
    shorten,
    shorten_start,
)
from fashion.results.palette import COLOURS

WIDTH, HEIGHT = 960, 720  # of the map, in pixels
LEGEND = 20  # pixels of a line of the legend
MARGIN, RADIUS, TILE = 24, 4, 36  # pixels
SHOWN_APART = 52  # pixels between images that are always shown
JPEG_QUALITY = 75
MAX_SIMILAR = 5
MAX_MISTAKES = 8  # rows
MAX_PAIRS = 24


def draw_map(
    places: np.ndarray, images: np.ndarray, labels: np.ndarray, files: Sequence[str], classes: Sequence[str], title: str
) -> str:
    """Draw a point for each image, in the colour of its class, as an SVG page.

    places: N x 2, from 0 to 1. images: uint8 of N x C x H x W. An image that is not shown appears when the pointer is
    on its point, with its class and file.
    """
    colours = [COLOURS[index % len(COLOURS)] for index in range(len(classes))]
    fills = [colour if index < len(COLOURS) else "white" for index, colour in enumerate(colours)]  # then rings
    tiles = shrink(images, TILE)
    points, shown = [], np.empty((0, 2))
    for place, tile, label, file in zip(places, tiles, labels.tolist(), files, strict=True):
        x, y = MARGIN + place * (WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN)
        apart = not len(shown) or np.abs(shown - (x, y)).max(1).min() > SHOWN_APART
        if apart:
            shown = np.vstack([shown, (x, y)])
        height, width = (TILE * length / max(tile.shape[1:]) for length in tile.shape[1:])
        points.append(
            f'<g class="{"shown" if apart else "point"}"><circle cx="{x:.0f}" cy="{y:.0f}" r="{RADIUS}" '
            f'fill="{fills[label]}" stroke="{colours[label]}" stroke-width="2"/>'
            f'<image x="{x - width / 2:.0f}" y="{y - height / 2:.0f}" width="{width:.0f}" '
            f'height="{height:.0f}" href="{jpeg(tile)}" style="outline:2px solid {colours[label]}"/>'
            f"<title>{escape(classes[label])}, {escape(file)}</title></g>"
        )
    columns = max(WIDTH // 160, 1)
    legend = [
        f'<circle cx="{MARGIN + number % columns * 160}" cy="{HEIGHT + LEGEND * (number // columns)}" r="{RADIUS + 1}" '
        f'fill="{fills[number]}" stroke="{colours[number]}" stroke-width="2"/>'
        f'<text x="{MARGIN + 10 + number % columns * 160}" '
        f'y="{HEIGHT + 4 + LEGEND * (number // columns)}">{escape(shorten(name))}</text>'
        for number, name in enumerate(classes)
    ]
    height = HEIGHT + LEGEND * (-(-len(classes) // columns) + 1)
    points.sort(key=lambda point: point.startswith('<g class="shown"'))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" font-family="sans-serif" '
        f'font-size="13" fill="{TEXT_COLOUR}"><title>{escape(title)}</title><style>'
        ".point image { visibility: hidden } .point:hover image { visibility: visible }</style>"
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>' + "".join(points) + "".join(legend) + "</svg>\n"
    )


def jpeg(tile: np.ndarray) -> str:
    """Encode an image, C x H x W, as a data URI."""
    stream = io.BytesIO()
    pixels = np.squeeze(np.moveaxis(tile, 0, -1))
    Image.fromarray(pixels).save(stream, "JPEG", quality=JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


def draw_similar_to_mistakes(
    mistakes: np.ndarray,
    similar: np.ndarray,
    names: Sequence[tuple[str, str, str]],
    similar_names: Sequence[Sequence[tuple[str, str]]],
) -> Figure:
    """Draw in each row a mistake, and the labelled images most similar to it.

    mistakes: uint8 of N x C x H x W. similar: N x count x C x H x W. names: class, predicted class and file of each
    mistake. similar_names: class and file of each similar image.
    """
    drawn, captions, colours = [], [], []
    for mistake, (actual, predicted, file), others, other_names in zip(
        mistakes, names, similar, similar_names, strict=True
    ):
        gaps = blanks(mistakes[:1], 1 + MAX_SIMILAR - len(others) - 1)
        drawn += [mistake[None], others, gaps]
        short = short_names([file, *(other for _, other in other_names)])
        captions += [f"{actual}\ntaken for {predicted}\n{short[0]}"]
        captions += [f"{name}\n{other}" for (name, _), other in zip(other_names, short[1:], strict=True)]
        captions += [""] * len(gaps)
        colours += [WRONG_COLOUR]
        colours += [
            CORRECT_COLOUR if name == actual else WRONG_COLOUR if name == predicted else TEXT_COLOUR
            for name, _ in other_names
        ] + [TEXT_COLOUR] * len(gaps)
    title = (
        "Mistakes with the highest confidence, and the labelled images most similar to each"
        if drawn
        else "There are no mistakes on test images"
    )
    images = np.concatenate(drawn) if drawn else mistakes
    return image_figure(images, captions, columns=1 + MAX_SIMILAR, title=title, colours=colours)


def draw_pairs(
    images: np.ndarray, classes: Sequence[str], files: Sequence[str], similarities: Sequence[float], total: int
) -> Figure:
    """Draw pairs of similar images side by side.

    images: uint8 of 2N x C x H x W, with the class and file of each. similarities: of the N pairs. total: number of
    pairs, of which these are the first.
    """
    captions = [
        f"{name}\n{file}\nsimilarity {similarities[index // 2]:.3f}"
        for index, (name, file) in enumerate(zip(classes, short_names(files), strict=True))
    ]
    title = f"The {len(similarities)} most similar of {total:,} pairs of labelled images"
    return image_figure(images, captions, columns=8, title=title)


def short_names(files: Sequence[str]) -> list[str]:
    return legible_names([shorten_start(PurePosixPath(file).name, 18) for file in files], "image")
