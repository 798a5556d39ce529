"""Draw a run as SVG: one bar per stage, from its start to its end."""

from html import escape

from abreast.run.history import Record, usage
from abreast.run.live import duration

NAMES_WIDTH, BARS_WIDTH, ROW_HEIGHT, TOP = 220, 560, 20, 34  # pixels
STEPS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400)  # seconds between grid lines
COLOURS = {"done": "#3b6ea5", "cached": "#7fb3d5", "unchanged": "#b8c4ce", "failed": "#c0392b"}
STYLE = """
svg { background: #fff } text { font: 12px system-ui, sans-serif; fill: #222 } .dim { fill: #666 } line { stroke: #ddd }
@media (prefers-color-scheme: dark) {
  svg { background: #16181c } text { fill: #ddd } .dim { fill: #999 } line { stroke: #333 }
}
"""


def draw_svg(records: list[Record]) -> str:
    """Draw the records of one run, one row each, in the order of their starts."""
    run_start = min(record.started for record in records)
    seconds = max(record.started + record.seconds for record in records) - run_start or 1.0
    step = next((step for step in STEPS if seconds / step <= 8), STEPS[-1])
    height = TOP + ROW_HEIGHT * len(records) + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {NAMES_WIDTH + BARS_WIDTH + 120} {height}" role="img">',
        f"<title>Timeline of {len(records)} stages, {duration(seconds)}</title><style>{STYLE}</style>",
    ]
    for number in range(int(seconds / step) + 1):
        x, label = NAMES_WIDTH + BARS_WIDTH * number * step / seconds, duration(number * step)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{height - 30}"/>')
        parts.append(f'<text class="dim" x="{x:.1f}" y="{TOP - 12}" text-anchor="middle">{label}</text>')
    for row, record in enumerate(sorted(records, key=lambda record: record.started)):
        x, y = NAMES_WIDTH + BARS_WIDTH * (record.started - run_start) / seconds, TOP + ROW_HEIGHT * row
        width = max(BARS_WIDTH * record.seconds / seconds, 2)
        wall, cpu, memory = usage(record.seconds, record.cpu, record.memory)
        title = f"{record.stage}: {wall}, {cpu} processor time{f', {memory}' if memory else ''}; {record.outcome}"
        name = record.stage if len(record.stage) <= 34 else f"{record.stage[:16]}…{record.stage[-16:]}"
        parts += [
            f'<text x="{NAMES_WIDTH - 8}" y="{y + 13}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{x:.1f}" y="{y + 2}" width="{width:.1f}" height="{ROW_HEIGHT - 5}" rx="2" '
            f'fill="{COLOURS[record.outcome]}"><title>{escape(title)}</title></rect>',
            f'<text class="dim" x="{x + width + 5:.1f}" y="{y + 13}">{wall}</text>',
        ]
    x = float(NAMES_WIDTH)
    for outcome, colour in COLOURS.items():
        if any(record.outcome == outcome for record in records):
            parts.append(f'<rect x="{x}" y="{height - 18}" width="10" height="10" fill="{colour}"/>')
            parts.append(f'<text class="dim" x="{x + 15}" y="{height - 9}">{outcome}</text>')
            x += 90
    return "\n".join([*parts, "</svg>", ""])
