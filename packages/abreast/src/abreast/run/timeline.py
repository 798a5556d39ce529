"""Draw when each stage of a run ran, as SVG: a bar from its start to its end."""

from html import escape

from abreast.run.history import Record, amounts
from abreast.run.live import duration

LEFT, WIDE, ROW, TOP = 220, 560, 20, 34  # pixels: of names, of the time, of a stage, above the first
STEPS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400)  # seconds between two lines
COLOURS = {"done": "#3b6ea5", "cached": "#7fb3d5", "unchanged": "#b8c4ce", "failed": "#c0392b"}
STYLE = """
svg { background: #fff } text { font: 12px system-ui, sans-serif; fill: #222 } .dim { fill: #666 } line { stroke: #ddd }
@media (prefers-color-scheme: dark) {
  svg { background: #16181c } text { fill: #ddd } .dim { fill: #999 } line { stroke: #333 }
}
"""


def draw(records: list[Record]) -> str:
    """Draw the records of one run, a row each, in the order in which they began."""
    begun = min(record.started for record in records)
    whole = max(record.started + record.seconds for record in records) - begun or 1.0
    step = next((step for step in STEPS if whole / step <= 8), STEPS[-1])
    height = TOP + ROW * len(records) + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDE + 120} {height}" role="img">',
        f"<title>When each of {len(records)} stages ran, in {duration(whole)}</title><style>{STYLE}</style>",
    ]
    for number in range(int(whole / step) + 1):
        x, time = LEFT + WIDE * number * step / whole, duration(number * step)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{height - 30}"/>')
        parts.append(f'<text class="dim" x="{x:.1f}" y="{TOP - 12}" text-anchor="middle">{time}</text>')
    for row, record in enumerate(sorted(records, key=lambda record: record.started)):
        x, y = LEFT + WIDE * (record.started - begun) / whole, TOP + ROW * row
        wide = max(WIDE * record.seconds / whole, 2)
        wall, cpu, memory = amounts(record.seconds, record.cpu, record.memory)
        about = f"{record.stage}: {wall}, {cpu} of processors{f', {memory}' if memory else ''}; {record.outcome}"
        name = record.stage if len(record.stage) <= 34 else f"{record.stage[:16]}…{record.stage[-16:]}"
        parts += [
            f'<text x="{LEFT - 8}" y="{y + 13}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{x:.1f}" y="{y + 2}" width="{wide:.1f}" height="{ROW - 5}" rx="2" '
            f'fill="{COLOURS[record.outcome]}"><title>{escape(about)}</title></rect>',
            f'<text class="dim" x="{x + wide + 5:.1f}" y="{y + 13}">{wall}</text>',
        ]
    x = float(LEFT)
    for outcome, colour in COLOURS.items():
        if any(record.outcome == outcome for record in records):
            parts.append(f'<rect x="{x}" y="{height - 18}" width="10" height="10" fill="{colour}"/>')
            parts.append(f'<text class="dim" x="{x + 15}" y="{height - 9}">{outcome}</text>')
            x += 90
    return "\n".join([*parts, "</svg>", ""])
