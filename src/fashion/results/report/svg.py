"""Make elements and axes of SVG charts, which need no scripts.

The plot area is the whole <svg>, and positions along x are in percent of it: a chart is as wide as its place, and its
text keeps its size. Labels of axes lie outside the area, in the padding that page.css gives it.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

STEPS = (1, 2, 5, 10)  # between ticks, times a power of ten
MARGIN = 0.03  # of the span of the values, on both sides of an axis
Value = str | float


def element(name: str, *content: str, **attributes: Value) -> Markup:
    """Make an element; text and attributes are escaped. `_` at the end of a key is dropped, others become `-`.

    >>> element("text", "a < b", text_anchor="end", class_="label")
    Markup('<text text-anchor="end" class="label">a &lt; b</text>')
    """
    start = Markup("").join(Markup(' {}="{}"').format(attribute(key), value) for key, value in attributes.items())
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), start, Markup("").join(content))


def attribute(key: str) -> Markup:
    return Markup(key.rstrip("_").replace("_", "-"))


def line(x1: Value, y1: Value, x2: Value, y2: Value, **attributes: Value) -> Markup:
    """Draw a line; it has a colour even where a policy blocks the style sheet."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke="currentColor", **attributes)


def picture(*content: str, about: str, height: int, class_: str) -> Markup:
    """Make a chart that is as wide as its place, `height` pixels high, and described for screen readers."""
    return element(
        "svg", *content, role="img", aria_label=about, width="100%", height=height, class_=class_, overflow="visible"
    )


@dataclass(frozen=True)
class Axis:
    """Positions of values between `low` and `high`. step: between the ticks of a linear axis."""

    low: float
    high: float
    ticks: tuple[float, ...]
    step: float = 0.0
    logarithmic: bool = False

    def fraction(self, value: float) -> float:
        """Give the position of a value, from 0 to 1."""
        low, high, at = (math.log(x) if self.logarithmic else x for x in (self.low, self.high, value))
        return (at - low) / (high - low)

    def x(self, value: float) -> str:
        """Give the position of a value from the left."""
        return f"{100 * self.fraction(value):.2f}%"

    def y(self, value: float) -> str:
        """Give the position of a value from the top, where high values are."""
        return f"{100 - 100 * self.fraction(value):.2f}%"


def linear_axis(values: Iterable[float], intervals: int = 6) -> Axis:
    """Make an axis with a margin on both sides, and with ticks that divide it into at most about `intervals` parts.

    >>> linear_axis([0.823, 0.951]).ticks
    (0.85, 0.9, 0.95)
    """
    known = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(known), max(known)
    span = (high - low) or abs(high) / 10 or 1.0
    low, high = low - MARGIN * span, high + MARGIN * span
    power = 10.0 ** math.floor(math.log10(span / intervals))
    step = power * next(factor for factor in STEPS if factor * power >= span / intervals)
    numbers = range(math.ceil(low / step), math.floor(high / step) + 1)
    return Axis(low, high, tuple(round(number * step, 12) for number in numbers), step)


def log_axis(values: Iterable[float]) -> Axis:
    """Make a logarithmic axis with a margin; the longer the axis, the fewer ticks a power of ten has.

    >>> log_axis([20, 3000]).ticks
    (30, 100, 300, 1000, 3000)
    """
    known = list(values)
    low, high = min(known) / 1.5, max(known) * 1.5
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = STEPS[:3] if high / low < 50 else (1, 3) if high / low < 5000 else (1,)
    ticks = [float(f"{factor}e{power}") for power in powers for factor in factors]
    shown = tuple(int(tick) if tick >= 1 else tick for tick in ticks if low <= tick <= high)
    return Axis(low, high, shown, logarithmic=True)


def percent_tick(value: float, step: float) -> str:
    """Format a tick of an axis of shares with as many decimals as its step needs.

    >>> percent_tick(0.825, 0.005), percent_tick(0.8, 0.02)
    ('82.5%', '80%')
    """
    return f"{value:.{max(0, -math.floor(math.log10(step * 100) + 1e-6))}%}"


def short_number(value: float) -> str:
    """Format a tick of a logarithmic axis.

    >>> short_number(200_000), short_number(1_000_000), short_number(0.5)
    ('200k', '1M', '0.5')
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def grid_and_labels(x: Axis, y: Axis, x_labels: Iterable[str], y_labels: Iterable[str], title: str) -> Markup:
    """Draw grid lines at the ticks of both axes, their labels, and the title of the x axis."""
    parts = []
    for tick, label in zip(y.ticks, y_labels, strict=True):
        parts += [line(0, y.y(tick), "100%", y.y(tick), class_="grid")]
        parts += [element("text", label, x=0, y=y.y(tick), dx=-6, dy=4, text_anchor="end")]
    for tick, label in zip(x.ticks, x_labels, strict=True):
        parts += [line(x.x(tick), "0%", x.x(tick), "100%", class_="grid")]
        parts += [element("text", label, x=x.x(tick), y="100%", dy=17, text_anchor="middle")]
    parts += [element("text", title, x="50%", y="100%", dy=36, text_anchor="middle")]
    return Markup("").join(parts)
