"""Draw the pictures of the pages from results in git: docs/pictures/.

python -m tools.pictures
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from benchmarks import engine
from fashion.files import read_json
from fashion.results.figures.image_grid import image_figure
from fashion.results.figures.style import COLOURS, GREY, TEXT_COLOUR, WRONG_COLOUR, new_figure, save

ROOT = Path(__file__).parents[1]
FOLDER = Path("docs/pictures")
MISTAKES = 8  # in the strip


def main() -> None:
    for name, figure in draw_pictures(ROOT).items():
        save(figure, ROOT / FOLDER / name)
        print(f"{FOLDER / name}: drawn", flush=True)


def draw_pictures(root: Path) -> dict[str, Figure]:
    """Draw all pictures, by file name."""
    answers = read_json(root / "plots/final/answers.json")
    classes = list(read_json(root / "metrics/final.json")["per_class"])
    with Image.open(root / "plots/final/answers.png") as sheet:
        images = cut(np.asarray(sheet.convert("L")), answers, MISTAKES)
    results = [json.loads(path.read_text(encoding="utf-8")) for path in engine.result_files(root)]
    return {"mistakes.png": draw_mistakes(images, answers, classes), "speed.svg": draw_speed(results)}


def cut(sheet: np.ndarray, answers: dict[str, Any], count: int) -> np.ndarray:
    """Cut the first images out of a sheet of images; give N x 1 x height x width."""
    height, width, columns = (answers[key] for key in ("height", "width", "columns"))
    corners = [(index // columns * height, index % columns * width) for index in range(count)]
    return np.stack([sheet[None, top : top + height, left : left + width] for top, left in corners])


def draw_mistakes(images: np.ndarray, answers: dict[str, Any], classes: list[str]) -> Figure:
    """Draw the mistakes with the highest confidence in one row, with the actual and the predicted class."""
    captions = [
        f"{classes[row['actual']]}\n{classes[row['predicted']]}\n{row['confidence']:.1%}"
        for row in answers["gallery"][: len(images)]
    ]
    counts = f"{answers['mistakes']:,} mistakes on {answers['images']:,} test images"
    title = f"The surest of {counts}: actual class, predicted class, probability"
    colours = [WRONG_COLOUR] * len(images)
    return image_figure(images, captions, columns=len(images), title=title, colours=colours)


def draw_speed(results: list[dict[str, Any]]) -> Figure:
    """Draw how much faster the engine is than a plain loop, with two threads: a dot for each system and way."""
    ways: dict[str, dict[str, float]] = {}
    for result in results:
        for row in result["rows"]:
            if row["threads"] == max(other["threads"] for other in result["rows"]):
                name = f"{engine.instruction_set(result['machine'])}, {row['precision']}"
                ways.setdefault(name, {})[row["system"]] = row["ratio"]
    systems = list(next(iter(ways.values())))
    figure = new_figure(0.2 * len(systems) + 0.9)
    axes = figure.subplots()
    for (name, ratios), colour in zip(ways.items(), COLOURS, strict=False):
        axes.plot(
            [ratios[system] for system in systems], range(len(systems)), "o", color=colour, label=name, markersize=5
        )
    axes.axvline(1, color=GREY, linewidth=0.8)
    axes.set_yticks(range(len(systems)), systems, fontsize=8)
    axes.set_ylim(len(systems) - 0.5, -0.5)
    axes.set_xlim(0, None)
    axes.grid(axis="both")
    axes.set_xlabel("images/s of the engine, relative to a plain loop in fp32, two threads", color=TEXT_COLOUR)
    axes.set_title("The engine trains every system faster than a plain loop")
    axes.legend(loc="lower right", fontsize=8)
    return figure


if __name__ == "__main__":
    main()
