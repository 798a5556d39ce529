"""Record commands as they run, and draw the recording as an animated SVG: docs/pictures/recording.svg.

python -m tools.record FOLDER COMMAND ...    run the commands in a folder, write benchmarks/recording.json and the SVG
python -m tools.record                       draw the recording that is in git again

The text is what the commands print. Waits are shortened. Without animation, the SVG shows the last lines.
"""

import argparse
import json
import subprocess
import textwrap
import time
from itertools import accumulate
from pathlib import Path
from typing import TypedDict
from xml.sax.saxutils import escape

from fashion.files import read_json, write_text

ROOT = Path(__file__).parents[1]
RECORDING, PICTURE = Path("benchmarks/recording.json"), Path("docs/pictures/recording.svg")
PROMPT = "$ "
COLUMNS, ROWS = 100, 24
WIDTH, HEIGHT, MARGIN = 7.83, 18, 14  # of a character and of a line, around the text; in pixels
MIN_WAIT, MAX_WAIT, LAST_WAIT = 0.08, 0.6, 8.0  # seconds between lines, and before the animation starts again
STYLE = """
text {{ font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #d6dde6;
  white-space: pre; }}
.command {{ fill: #7ee787; font-weight: bold; }}
.scroll {{ transform: translateY({scrolled}px); animation: scroll {seconds}s step-end infinite; }}
.cover {{ transform: translateY({covered}px); animation: cover {seconds}s step-end infinite; }}
@media (prefers-reduced-motion: reduce) {{ .scroll, .cover {{ animation: none; }} }}
"""


class Line(TypedDict):
    """A line of output. seconds: since the line before."""

    seconds: float
    text: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="the folder to run the commands in")
    parser.add_argument("commands", nargs="*", help="each a line for the shell")
    arguments = parser.parse_args()
    if arguments.commands:
        lines = [line for command in arguments.commands for line in record(command, arguments.folder)]
        rows = ",\n".join(f" {json.dumps(line, ensure_ascii=False)}" for line in lines)
        write_text(ROOT / RECORDING, f"[\n{rows}\n]\n")
    write_text(ROOT / PICTURE, draw(read_json(ROOT / RECORDING)))


def record(command: str, folder: Path) -> list[Line]:
    """Run a command; give it and the lines that it prints, as they come."""
    lines: list[Line] = [{"seconds": 0, "text": PROMPT + command}]
    before = time.monotonic()
    with subprocess.Popen(
        ["bash", "-c", command], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for text in process.stdout or ():
            now = time.monotonic()
            lines.append({"seconds": round(now - before, 2), "text": text.rstrip("\n")})
            before = now
    if process.returncode:
        raise SystemExit(f"error: {command}: exit status {process.returncode}: {lines[-1]['text']}")
    return lines


def draw(lines: list[Line]) -> str:
    """Draw lines that appear one after the other in a terminal, which scrolls when it is full."""
    shown: list[Line] = []
    for line in lines:
        parts = textwrap.wrap(line["text"], COLUMNS, drop_whitespace=False, break_on_hyphens=False) or [""]
        shown += [{"seconds": 0 if number else line["seconds"], "text": part} for number, part in enumerate(parts)]
    times = list(accumulate(wait(line) for line in shown))
    seconds = times[-1] + LAST_WAIT
    rows = [row(number, line["text"]) for number, line in enumerate(shown)]
    scrolled = {number: -HEIGHT * max(0, number + 1 - ROWS) for number in range(len(shown))}
    covered = {number: HEIGHT * min(number + 1, ROWS) for number in range(len(shown))}
    style = STYLE.format(scrolled=scrolled[len(shown) - 1], covered=covered[len(shown) - 1], seconds=round(seconds, 2))
    for name, offsets in (("scroll", scrolled), ("cover", covered)):
        style += keyframes(name, offsets, [moment / seconds for moment in times])
    width, height = round(COLUMNS * WIDTH + 2 * MARGIN), ROWS * HEIGHT + 2 * MARGIN
    commands = "; ".join(line["text"].removeprefix(PROMPT) for line in lines if line["text"].startswith(PROMPT))
    text = "\n".join(rows)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img">
<title>Recording of a terminal: {escape(commands)}</title>
<style>{style}</style>
<clipPath id="screen"><rect x="0" y="{MARGIN}" width="{width}" height="{ROWS * HEIGHT}"/></clipPath>
<rect width="{width}" height="{height}" rx="8" fill="#11161d"/>
<g clip-path="url(#screen)">
<g class="scroll">
{text}
</g>
<rect class="cover" y="{MARGIN}" width="{width}" height="{ROWS * HEIGHT}" fill="#11161d"/>
</g>
</svg>
"""


def row(number: int, text: str) -> str:
    kind = ' class="command"' if text.startswith(PROMPT) else ""
    return f'<text x="{MARGIN}" y="{MARGIN + HEIGHT * (number + 1) - 5}"{kind}>{escape(text)}</text>'


def wait(line: Line) -> float:
    """Give the seconds after which a line appears: those of the recording, within limits."""
    return MAX_WAIT if line["text"].startswith(PROMPT) else min(max(line["seconds"], MIN_WAIT), MAX_WAIT)


def keyframes(name: str, offsets: dict[int, int], times: list[float]) -> str:
    """Write the steps of a movement in CSS: from each time on, as a fraction of the whole, an offset in pixels."""
    steps, last = "", None
    for number, moment in enumerate(times):
        if offsets[number] != last:
            last = offsets[number]
            steps += f" {0 if number == 0 else moment:.3%} {{ transform: translateY({last}px); }}\n"
    return f"@keyframes {name} {{\n{steps}}}\n"


if __name__ == "__main__":
    main()
