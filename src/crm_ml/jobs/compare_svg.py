"""Compact pictures of a comparison as SVG text: whole numbers as coordinates, shared frames, colours from the page.

A panel is 120 x 120 units; the curve lies in the square from (18, 6) to (114, 102). Every picture carries its meaning
as text too, and none needs a script.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

LEFT, TOP, SIDE = 18, 6, 96
_WIDE = 400


def point(x: float, y: float) -> str:
    """Return the place of a share in a panel.

    Examples
    --------
    >>> point(0.0, 0.0), point(1.0, 1.0)
    ('18 102', '114 6')
    """
    return f"{LEFT + round(SIDE * _unit(x))} {TOP + round(SIDE * (1 - _unit(y)))}"


def line(places: Iterable[tuple[float, float]], kind: str) -> str:
    """Return a path through places given as shares of the panel; `kind` is its class in the page's style.

    Examples
    --------
    >>> line([(0, 0), (0.5, 1)], "so")
    '<path class="so" d="M18 102L66 6"/>'
    """
    steps: list[str] = []
    for x, y in places:
        step = point(x, y)
        if not steps or steps[-1] != step:
            steps.append(step)
    return f'<path class="{kind}" d="M{"L".join(steps)}"/>' if steps else ""


def whiskers(places: Iterable[tuple[float, float, float]]) -> str:
    """Return upright lines from low to high at x."""
    parts = [f"M{point(x, low)}V{TOP + round(SIDE * (1 - _unit(high)))}" for x, low, high in places]
    return f'<path class="sw" d="{"".join(parts)}"/>' if parts else ""


def dots(places: Iterable[tuple[float, float]]) -> str:
    """Return dots as lines without length, which the style makes round."""
    parts = [f"M{point(x, y)}h0" for x, y in places]
    return f'<path class="sd" d="{"".join(parts)}"/>' if parts else ""


def frame(name: str, *, across: Sequence[str], up: Sequence[str], diagonal: bool, zero: float | None = None) -> str:
    """Return a shared frame with its ticks, to be used by every panel of a kind.

    Parameters
    ----------
    name : str
        Its id in the page.
    across, up : sequence of str
        Three tick labels each: start, middle, end.
    diagonal : bool
        Whether the line of equal shares is drawn.
    zero : float, optional
        Height of the zero line as a share.
    """
    right, bottom = LEFT + SIDE, TOP + SIDE
    parts = [f'<path class="sf" d="M{LEFT} {TOP}V{bottom}H{right}"/>']
    if diagonal:
        parts.append(f'<path class="sg" d="M{LEFT} {bottom}L{right} {TOP}"/>')
    if zero is not None:
        parts.append(f'<path class="sg" d="M{point(0, zero)}H{right}"/>')
    for at, (text, anchor) in enumerate(zip(across, ("start", "middle", "end"), strict=True)):
        place = f'x="{LEFT + SIDE * at // 2}" y="{bottom + 10}"'
        parts.append(f'<text class="sx" {place} text-anchor="{anchor}">{escape(text)}</text>')
    for at, text in enumerate(up):
        parts.append(
            f'<text class="sx" x="{LEFT - 3}" y="{bottom - SIDE * at // 2 + 3}" text-anchor="end">{escape(text)}</text>'
        )
    return f'<g id="{name}">{"".join(parts)}</g>'


def panel(alt: str, inner: str, *, uses: Sequence[str] = ()) -> str:
    """Return one panel with its alternative text; `uses` are ids of shared parts below it."""
    shared = "".join(f'<use href="#{name}"/>' for name in uses)
    return f'<svg viewBox="0 0 120 120" role="img" aria-label="{escape(alt)}">{shared}{inner}</svg>'


def shared(parts: Iterable[str]) -> str:
    """Return the hidden picture that holds what panels share."""
    return f'<svg class="defs" width="0" height="0" aria-hidden="true"><defs>{"".join(parts)}</defs></svg>'


def bar(low: float, value: float, high: float, *, scale: tuple[float, float], reads: str, paired: bool) -> str:
    """Return the interval of one difference on a scale that all rows share; what it says stands beside it as text.

    Examples
    --------
    >>> bar(-1, 0, 1, scale=(-2, 2), reads="open", paired=True)[:62]
    '<svg class="forest open" viewBox="0 0 400 20" aria-hidden="tru'
    """
    start, end = scale

    def at(number: float) -> int:
        return round(_WIDE * _unit((number - start) / (end - start)))

    kind = f"{reads}{'' if paired else ' loose'}"
    hollow = "" if paired else f'<path class="h" d="M{at(value)} 10h0"/>'
    return (
        f'<svg class="forest {kind}" viewBox="0 0 {_WIDE} 20" aria-hidden="true" preserveAspectRatio="none">'
        f'<path class="z" d="M{at(0.0)} 0V20"/><path class="i" d="M{at(low)} 10H{at(high)}"/>'
        f'<path class="p" d="M{at(value)} 10h0"/>{hollow}</svg>'
    )


def nice_scale(lows: Iterable[float], highs: Iterable[float]) -> tuple[float, float]:
    """Return a scale symmetric about zero that holds all ends and ends at 1, 2 or 5 times a power of ten.

    Examples
    --------
    >>> nice_scale([-0.013], [0.031]), nice_scale([], [])
    ((-0.05, 0.05), (-0.01, 0.01))
    """
    largest = max((abs(value) for value in (*lows, *highs) if math.isfinite(value)), default=0.01)
    end = nice_end(max(largest, 1e-4))
    return -end, end


def nice_end(largest: float) -> float:
    """Return the smallest of 1, 2, 5 times a power of ten that is not below a positive number.

    Examples
    --------
    >>> nice_end(31.0), nice_end(0.05), nice_end(6e5)
    (50.0, 0.05, 1000000.0)
    """
    power = math.floor(math.log10(largest))
    # the exponent is handed to the parser: 5 * 10 ** -2 is not .05 to the last digit
    steps = [float(f"{step}e{power}") for step in (1, 2, 5)] + [float(f"1e{power + 1}")]
    return next((step for step in steps if step >= largest * (1 - 1e-12)), steps[-1])


def _unit(value: float) -> float:
    return min(1.0, max(0.0, value)) if math.isfinite(value) else 0.0
