"""Charts and the page of `page.py`: text in, text out. Everything from results is escaped; nothing needs a script.

A chart whose longest bar is at most fifty times its shortest has bars from zero. Any other has dots on a logarithmic
axis, and says so: the length of a bar means nothing where there is no zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

WIDE, LEFT, ROW, HEAD = 860, 270, 24, 30
SPAN = WIDE - LEFT - 190
MOST_LINEAR = 50
PARTS = ("#0b4a82", "#12758a", "#b98900", "#7a5195", "#c8502a", "#3f7f3f", "#8b949e", "#5b8db8", "#77a877", "#9a6fb0",
         "#d9a441", "#5c4033", "#c06c84", "#2f4b5c")  # fmt: skip


@dataclass(frozen=True)
class Bar:
    """One side: what it took, what kind of side it is (ours, peer, floor), and what stands behind the number."""

    label: str
    value: float
    kind: str
    note: str = ""


@dataclass(frozen=True)
class Chart:
    """Groups of bars on one axis."""

    title: str
    unit: str
    groups: Mapping[str, Sequence[Bar]]


@dataclass(frozen=True)
class Split:
    """Where the time of something goes: rows of stages on one scale, seconds."""

    title: str
    rows: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Intervals:
    """Differences with intervals: label, (value, low, high); what lies beyond `most` is cut, and a wedge says so."""

    title: str
    rows: Sequence[tuple[str, tuple[float, float, float]]]
    most: float


Drawing = Chart | Split | Intervals


@dataclass(frozen=True)
class Section:
    """One topic of the page."""

    name: str
    title: str
    inside: str
    drawings: Sequence[Drawing] = ()
    facts: Sequence[str] = ()
    absent: Sequence[str] = field(default_factory=tuple)


@dataclass(frozen=True)
class Row:
    """A figure of the table: what, measured, goal, whether it is met ("" where there is nothing to judge), and why."""

    topic: str
    figure: str
    measured: str
    goal: str
    met: str
    why: str = ""


def number(value: float) -> str:
    """Return three digits that count, without an exponent where a reader wants none.

    Examples
    --------
    >>> [number(x) for x in (0.0123, 1.5, 117.4, 20431.0, 8e-15, 0.0)]
    ['0.0123', '1.5', '117', '20,431', '8e-15', '0']
    """
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "-"
    if abs(value) < 1e-4:
        return f"{value:.0e}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def axis(values: Sequence[float]) -> tuple[bool, float, float]:
    """Return (whether logarithmic, where the axis begins, where it ends); linear axes begin at zero.

    Examples
    --------
    >>> axis([1.0, 30.0]), axis([0.02, 61.0])
    ((False, 0.0, 50.0), (True, 0.01, 100.0))
    """
    some = [value for value in values if value > 0 and math.isfinite(value)]
    if not some:
        return False, 0.0, 1.0
    low, high = min(some), max(some)
    if high > MOST_LINEAR * low:
        begin, end = math.floor(math.log10(low)), math.ceil(math.log10(high))
        return True, 10.0**begin, 10.0 ** max(end, begin + 1)
    power = 10.0 ** math.floor(math.log10(high))
    return False, 0.0, next(step * power for step in (1, 2, 5, 10) if step * power >= high)


def _text(x: float, y: float, text: str, kind: str = "t", anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(height: float, alt: str, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {height:.0f}" role="img" '
        f'aria-label="{escape(alt)}">{"".join(parts)}</svg>'
    )


def draw_chart(chart: Chart) -> str:
    """Return bars or dots with what they took and the ratio beside."""
    bars = [bar for group in chart.groups.values() for bar in group]
    log, begin, end = axis([bar.value for bar in bars])

    def at(value: float) -> float:
        if not log:
            return LEFT + SPAN * max(0.0, value) / end
        share = (math.log10(max(value, begin)) - math.log10(begin)) / (math.log10(end) - math.log10(begin))
        return LEFT + SPAN * share

    powers = round(math.log10(end / begin)) if log else 0
    ticks = [begin * 10.0**k for k in range(powers + 1)] if log else [end * k / 5 for k in range(6)]
    height = HEAD + ROW * (len(bars) + len(chart.groups))
    parts = [
        f'<path class="g" d="M{at(tick):.0f} {HEAD - 8}V{height}"/>'
        + _text(at(tick), HEAD - 13, number(tick), "x", "middle")
        for tick in ticks
    ]
    y = float(HEAD)
    for name, group in chart.groups.items():
        parts.append(_text(0, y + 17, name, "h"))
        y += ROW
        for bar in group:
            parts.append(_text(LEFT - 10, y + 16, bar.label, "t", "end"))
            if not bar.value > 0 or not math.isfinite(bar.value):
                parts.append(_text(LEFT + 8, y + 16, "nothing measured"))
            else:
                if log:
                    parts.append(f'<path class="l" d="M{LEFT} {y + 12:.0f}H{at(bar.value):.1f}"/>')
                    parts.append(
                        f'<circle class="{escape(bar.kind)}" cx="{at(bar.value):.1f}" cy="{y + 12:.0f}" r="6"/>'
                    )
                else:
                    wide = max(1.0, at(bar.value) - LEFT)
                    parts.append(
                        f'<rect class="{escape(bar.kind)}" x="{LEFT}" y="{y + 4:.0f}" width="{wide:.1f}" height="16"/>'
                    )
                said = f"{number(bar.value)} {chart.unit}" + (f"  ({bar.note})" if bar.note else "")
                parts.append(_text(at(bar.value) + 11, y + 16, said))
            y += ROW
    kind = "logarithmic axis, each line is ten times the one before" if log else "linear axis from zero"
    foot = _text(LEFT, height + 18, f"{chart.unit}; {kind}", "x")
    said = "; ".join(
        f"{name}: " + ", ".join(f"{bar.label} {number(bar.value)} {chart.unit}" for bar in group)
        for name, group in chart.groups.items()
    )
    return _svg(height + 26, f"{chart.title}. {said}", [*parts, foot])


def draw_split(split: Split) -> str:
    """Return stacked bars of stages on one scale, with a legend that gives the seconds."""
    names = list(dict.fromkeys(name for stages in split.rows.values() for name in stages))
    colour = {name: PARTS[k % len(PARTS)] for k, name in enumerate(names)}
    longest = max((sum(stages.values()) for stages in split.rows.values()), default=0.0) or 1.0
    parts, y = [], 6.0
    for label, stages in split.rows.items():
        parts.append(_text(LEFT - 10, y + 19, label, "t", "end"))
        x = float(LEFT)
        for name, seconds in stages.items():
            wide = SPAN * max(0.0, seconds) / longest
            tip = f"<title>{escape(name)}: {number(seconds)} s</title>"
            parts.append(
                f'<rect x="{x:.1f}" y="{y:.0f}" width="{wide:.1f}" height="28" fill="{colour[name]}">{tip}</rect>'
            )
            x += wide
        parts.append(_text(x + 8, y + 19, f"{number(sum(stages.values()))} s"))
        y += 42
    for place, name in enumerate(names):
        left, top = LEFT + place % 2 * 290, y + 14 + place // 2 * 20
        each = " / ".join(number(stages[name]) if name in stages else "-" for stages in split.rows.values())
        parts.append(f'<rect x="{left}" y="{top - 11:.0f}" width="12" height="12" fill="{colour[name]}"/>')
        parts.append(_text(left + 18, top, f"{name}: {each} s"))
    height = y + 14 + (len(names) + 1) // 2 * 20
    said = "; ".join(
        f"{label}: " + ", ".join(f"{name} {number(seconds)} s" for name, seconds in stages.items())
        for label, stages in split.rows.items()
    )
    return _svg(height, f"{split.title}. {said}", parts)


def draw_intervals(chart: Intervals) -> str:
    """Return values with intervals about a zero line."""

    span = SPAN - 30

    def at(value: float) -> float:
        return LEFT + span * (0.5 + min(1.0, max(-1.0, value / chart.most)) / 2)

    height = HEAD + ROW * len(chart.rows)
    parts = [
        f'<path class="{"z" if share == 0 else "g"}" d="M{at(share * chart.most):.0f} {HEAD - 8}V{height}"/>'
        + _text(at(share * chart.most), HEAD - 13, f"{share * chart.most:+.3g}" if share else "0", "x", "middle")
        for share in (-1, -0.5, 0, 0.5, 1)
    ]
    y, said = float(HEAD), []
    for label, (value, low, high) in chart.rows:
        text = f"{value:+.4f} ({low:+.4f} to {high:+.4f})"
        said.append(f"{label} {text}")
        parts.append(_text(LEFT - 10, y + 16, label, "t", "end"))
        parts.append(f'<path class="i" d="M{at(low):.1f} {y + 12:.0f}H{max(at(high), at(low) + 1):.1f}"/>')
        # what is cut at an edge has a wedge there that points to where it goes on
        if high > chart.most:
            parts.append(f'<path class="ours" d="M{at(high):.1f} {y + 7:.0f}l9 5l-9 5z"/>')
        if low < -chart.most:
            parts.append(f'<path class="ours" d="M{at(low):.1f} {y + 7:.0f}l-9 5l9 5z"/>')
        if abs(value) <= chart.most:
            parts.append(f'<circle class="ours" cx="{at(value):.1f}" cy="{y + 12:.0f}" r="4"/>')
        parts.append(_text(LEFT + span + 16, y + 16, text, "x"))
        y += ROW
    return _svg(height + 6, f"{chart.title}. {'; '.join(said)}", parts)


def draw(drawing: Drawing) -> str:
    """Return a drawing as SVG."""
    if isinstance(drawing, Chart):
        return draw_chart(drawing)
    return draw_split(drawing) if isinstance(drawing, Split) else draw_intervals(drawing)


STYLE = """
body{font:15px/1.45 system-ui,sans-serif;color:#1f2328;background:#fff;max-width:900px;margin:24px auto;padding:0 16px}
h1{font-size:26px}h2{font-size:20px;margin:34px 0 4px}h3{font-size:15px;margin:18px 0 4px}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:5px 8px;border-bottom:1px solid #d0d7de;
vertical-align:top}th{background:#f3f5f7}.met{color:#1a6b2f;font-weight:600}.missed{color:#a3261b;font-weight:600}
.why,.inside,footer{color:#57606a;font-size:14px}.absent{background:#fff5d6;padding:6px 10px;white-space:pre-wrap}
.wide{overflow-x:auto}svg{width:100%;height:auto;min-width:640px;display:block}
svg text{font:13px system-ui,sans-serif;fill:#1f2328}
svg .x{font-size:11px;fill:#57606a}svg .h{font-weight:600}svg .g{stroke:#e3e7eb}svg .z{stroke:#8b949e}
svg .l{stroke:#c3cad1;stroke-dasharray:2 3}svg .i{stroke:#0b4a82;stroke-width:2}svg .ours{fill:#0b4a82}
svg .peer{fill:#c8502a}svg .floor{fill:#8b949e}
.key span{display:inline-block;width:12px;height:12px;margin:0 6px 0 14px}
"""
KEY = (
    '<p class="key inside"><span style="background:#0b4a82"></span>ours<span style="background:#c8502a"></span>peer, '
    'or the same work done the usual way<span style="background:#8b949e"></span>floor: reading alone</p>'
)


def _cells(row: Row) -> str:
    kind = {"": "", "met": "met", "not judged": ""}.get(row.met, "missed")
    why = f'<div class="why">{escape(row.why)}</div>' if row.why else ""
    return (
        f"<tr><td>{escape(row.topic)}</td><td>{escape(row.figure)}{why}</td><td>{escape(row.measured)}</td>"
        f'<td>{escape(row.goal)}</td><td class="{kind}">{escape(row.met)}</td></tr>'
    )


def html(title: str, machine: Sequence[str], rows: Sequence[Row], sections: Sequence[Section]) -> str:
    """Return the page: one file that needs nothing else."""
    head = "".join(f"<th>{name}</th>" for name in ("topic", "figure", "measured", "goal", "met"))
    parts = [
        f"<h1>{escape(title)}</h1>",
        *(f'<p class="inside">{escape(line)}</p>' for line in machine),
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>',
        f"<tbody>{''.join(map(_cells, rows))}</tbody></table></div>",
        KEY,
    ]
    for section in sections:
        parts.append(f'<section id="{escape(section.name)}"><h2>{escape(section.title)}</h2>')
        parts.append(f'<p class="inside">{escape(section.inside)}</p>')
        parts += [f'<p class="absent">{escape(text)}</p>' for text in section.absent]
        parts += [f'<h3>{escape(one.title)}</h3><div class="wide">{draw(one)}</div>' for one in section.drawings]
        parts += (
            ["<ul>" + "".join(f"<li>{escape(fact)}</li>" for fact in section.facts) + "</ul>"] if section.facts else []
        )
        parts.append("</section>")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width,initial-scale=1"><title>{escape(title)}</title><style>{STYLE}</style></head>'
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _lines(drawing: Drawing) -> list[str]:
    if isinstance(drawing, Chart):
        rows = [
            (name, bar.label, f"{number(bar.value)} {chart_unit}", bar.note)
            for chart_unit in (drawing.unit,)
            for name, group in drawing.groups.items()
            for bar in group
        ]
        return table(("of", "side", "took", "ratio"), rows)
    if isinstance(drawing, Split):
        return table(("side", "stages, s"), [
            (label, ", ".join(f"{name} {number(seconds)}" for name, seconds in stages.items()))
            for label, stages in drawing.rows.items()
        ])  # fmt: skip
    return table(("what", "difference", "95 % interval"), [
        (label, f"{value:+.4f}", f"{low:+.4f} to {high:+.4f}") for label, (value, low, high) in drawing.rows
    ])  # fmt: skip


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return lines of a Markdown table."""
    shown = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(_plain(cell) for cell in row) + " |" for row in shown]


def markdown(title: str, machine: Sequence[str], rows: Sequence[Row], sections: Sequence[Section]) -> str:
    """Return the same as text for docs/."""
    goals = [(row.topic, row.figure, row.measured, row.goal, row.met) for row in rows]
    parts = [f"# {_plain(title)}", "", *(f"{_plain(line)}  " for line in machine), ""]
    parts += ["Written by `benchmarks/page.py`, which names goals and sizes; its page holds the same with charts.", ""]
    parts += table(("topic", "figure", "measured", "goal", "met"), goals)
    missed = [f"- {_plain(row.topic)}, {_plain(row.figure)}: {_plain(row.why)}" for row in rows if row.why]
    parts += ["", "What is missed, and where the time goes:", "", *missed] if missed else []
    for section in sections:
        parts += ["", f"## {_plain(section.title)}", "", _plain(section.inside)]
        for text in section.absent:
            parts += ["", f"**Absent.** {_plain(text)}"]
        for drawing in section.drawings:
            parts += ["", f"{_plain(drawing.title)}:", "", *_lines(drawing)]
        parts += ["", *(f"- {_plain(fact)}" for fact in section.facts)] if section.facts else []
    return "\n".join(parts) + "\n"


def plain_table(rows: Sequence[Row]) -> str:
    """Return the table of figures for a terminal, with reasons below what is missed."""
    shown = [
        ("topic", "figure", "measured", "goal", "met"),
        *((r.topic, r.figure, r.measured, r.goal, r.met) for r in rows),
    ]
    wide = [max(len(row[k]) for row in shown) for k in range(4)]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, wide, strict=False)) + f"  {row[4]}" for row in shown]
    reasons = [f"{r.topic}, {r.figure}: {r.why}" for r in rows if r.why]
    return "\n".join(line.rstrip() for line in (*lines, *([""] if reasons else []), *reasons))


def whole(results: Mapping[str, Any]) -> str:
    """Return the title of a page."""
    return f"Benchmarks, size {results.get('size', 'unknown')}, {results.get('begun', 'undated')}"
