"""What `page.py` runs at each size, which goals there are, and how results become figures and drawings."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from page_drawing import Bar, Chart, Drawing, Intervals, Row, Section, Split, axis, number

SIZES = ("small", "medium", "full")
MILLION = 1_000_000


@dataclass(frozen=True)
class Command:
    """A run: its name on the page, and the options of the script."""

    name: str
    options: tuple[str, ...]


@dataclass(frozen=True)
class Topic:
    """A script, its runs by size, and what its times hold; without runs the topic is quoted from a document."""

    title: str
    script: str
    inside: str
    runs: Mapping[str, tuple[Command, ...]]
    of: str = "rows"  # what the size of a run counts
    needs_real_data: bool = False
    quoted: str = ""


def _sized(**options: Sequence[tuple[str, str]]) -> dict[str, tuple[Command, ...]]:
    return {size: tuple(Command(name, tuple(text.split())) for name, text in given) for size, given in options.items()}


TOPICS: dict[str, Topic] = {
    "engine": Topic(
        "Features from files to a file",
        "feature_engine.py",
        "Ours: start of Python, reading, every check of the tables, who is eligible, features, the file. Pandas loop: "
        "start, reading, features, the file. Range join: start, reading within SQL, all sixty features, the file. "
        "Scan: start, and DuckDB reading every needed column once. Each in a process of its own; ours compiled before. "
        "Cells of both peers equal ours (1e-9 of the value, or 1e-4), else there would be no figures. Messy: text ids, "
        "shuffled rows, eight files per table.",
        _sized(
            small=[("20,000 lines", "--lines 20000 --contacts 8000 --customers 300 --cutoffs 5 --messy --range-join")],
            medium=[
                ("100,000 lines", "--lines 100000 --contacts 100000 --customers 10000 --messy --range-join"),
                ("1,000,000 lines", "--lines 1000000 --messy"),
            ],
            full=[
                ("1,000,000 lines", "--lines 1000000 --messy --range-join"),
                ("10,000,000 lines", "--lines 10000000 --messy"),
                ("50,000,000 lines", "--lines 50000000 --without-loop --messy --memory-gb 2"),
            ],
        ),
        of="lines",
    ),
    "rows": Topic(
        "An instant of its own for each row",
        "cutoffs_per_row.py",
        "Features alone, from tables that are read: rows that share cutoffs and rows with an instant each, by turns in "
        "one process, medians. featuretools: its feature matrices alone, without preparing frames and its entity set; "
        "it needs an interpreter of its own (--featuretools). Cells are compared in three ways before.",
        _sized(
            small=[("1,200 rows", "--lines 20000 --contacts 8000 --customers 300 --rows 1200 --sample 100 --pairs 1")],
            medium=[("20,000 rows", "--lines 200000 --contacts 200000 --customers 20000 --rows 20000 --pairs 3")],
            full=[("200,000 rows", "")],
        ),
    ),
    "reasons": Topic(
        "Reasons: SHAP values",
        "reasons_speed.py",
        "Contributions alone, one thread, processor time, pairs in the same run, medians. Models and rows are in "
        "memory; tables are made before and told apart.",
        _sized(
            small=[("20 trees", "--json --trees 20 --fit-rows 2000 --rows 400 --peer-rows 40 --pairs 2")],
            medium=[("100 trees", "--json --trees 100 --fit-rows 10000 --rows 5000 --peer-rows 200 --pairs 3")],
            full=[("400 trees", "--json")],
        ),
        of="trees",
    ),
    "million": Topic(
        "A day from files to lists",
        "million_customers.py",
        "Ours: `crm-ml daily` with start, reading, every check, features, scores, reasons, tiers, decisions, lists, "
        "publishing. Stock parts: a pandas loop for features, LightGBM's predict, pred_contrib for the riskiest tenth "
        "(measured on some rows and multiplied), pandas for tiers and lists, no checks. The same model; probabilities "
        "are compared. Making data and training are outside. "
        "Start: whatever is not in a stage, imports above all.",
        _sized(
            small=[("1,500 customers", "--customers 1500 --lines 15000 --contacts 15000 --sample 1500")],
            medium=[("100,000 customers", "--customers 100000 --lines 1000000 --contacts 1000000")],
            full=[("1,000,000 customers", "--memory-gb 2")],
        ),
        of="customers",
    ),
    "training": Topic(
        "What makes training cheaper",
        "training_speed.py",
        "Fits alone on one thread, processor time, the sides by turns: five fits on shared bins against bins of their "
        "own (binning included), LightGBM's quantised gradients against exact ones (binning excluded), and the growth "
        "of memory of a whole training with rows that are seen against rows that are copied.",
        _sized(
            small=[("3,000 rows", "--rows 3000 --customers 0 --repeats 1")],
            medium=[("20,000 rows", "--rows 20000 --customers 1000 --repeats 2")],
            full=[("100,000 rows", "")],
        ),
    ),
    "depth": Topic(
        "What the depth cap costs",
        "depth_cap.py",
        "Nothing timed: AUC with the cap less AUC without on a real shop's later orders, 95 % intervals by bootstrap "
        "over customers.",
        _sized(small=[("real orders", "")], medium=[("real orders", "")], full=[("real orders", "")]),
        needs_real_data=True,
    ),
    "families": Topic(
        "What families of features bring",
        "feature_families.py",
        "Nothing timed, and nothing run here: gains of AUC quoted from docs/feature-families.md, which says how they "
        "were measured and what a second look gave.",
        {},
        quoted="docs/feature-families.md",
    ),
}


@dataclass(frozen=True)
class Figure:
    """A ratio of two sides, by the clock on the wall, by processor time, or both; `at` is the size of the run."""

    topic: str
    name: str
    at: int
    wall: float | None = None
    cpu: float | None = None
    stages: tuple[tuple[str, float], ...] = ()
    unit: str = "x"


@dataclass(frozen=True)
class Goal:
    """What a figure should be at a size; at other sizes nothing is judged. `why`: what is known of a miss."""

    topic: str
    name: str
    at: int
    least: float | None = None
    most: float | None = None
    why: str = ""


_START = (
    "With few lines the start of Python and its packages, the file of two million rows by sixty features, and what is "
    "computed per row take nearly all of the time; the peers pay the same for start and file."
)
_TEN = (
    "Start and the file alone take longer than the goal allows for everything; what is left is about equal parts of "
    "reading with every check, and features."
)
_MANY = "Reading with every check, and features, each take longer than the goal allows for everything."
_FIFTY = "Every cutoff adds rows to the file, whose encoding runs on one processor."
_MEMORY = (
    "The process itself holds one column in the making; what is above are pages of mapped files, which the system can "
    "take back."
)
_MEMORY_OF_DAY = (
    "Tables lie in files; scores, reasons and decisions of all customers, and the lists, are held in memory."
)
_DAY = (
    "Reading and features take longer than the goal allows for everything; what stock parts do not make (decisions, "
    "workbooks and pages of each list) and reasons share the rest."
)
_SHAPES = (("24 rows per customer", 199_992), ("4 rows per customer", 200_000), ("leads", 200_000))

# the only place of goals; nothing fails where one is missed
GOALS = (
    Goal("engine", "pandas loop over ours", MILLION, least=8, why=_START),
    Goal("engine", "range join over ours", MILLION, least=10, why=_START),
    Goal("engine", "pandas loop over ours", 10 * MILLION, least=20, why=_TEN),
    Goal("engine", "ours over scan", 10 * MILLION, most=10, why=_TEN),
    Goal("engine", "growth from 1 to 24 cutoffs", 10 * MILLION, most=2),
    Goal("engine", "messy over clean", 10 * MILLION, most=1.5),
    Goal("engine", "ours over scan", 50 * MILLION, most=6, why=_MANY),
    Goal("engine", "growth from 1 to 24 cutoffs", 50 * MILLION, most=1.2, why=_FIFTY),
    Goal("engine", "messy over clean", 50 * MILLION, most=2),
    Goal("engine", "peak memory of ours", 50 * MILLION, most=2, why=_MEMORY),
    *(Goal("rows", f"own over shared cutoffs, {shape}", at, most=2) for shape, at in _SHAPES),
    *(
        Goal("reasons", f"pred_contrib over ours, {leaves} leaves, depth {depth}", 400, least=30)
        for leaves in (31, 63)
        for depth in (6, 8)
    ),
    Goal("million", "stock parts over ours", MILLION, least=20, why=_DAY),
    Goal("million", "peak memory of ours", MILLION, most=2, why=_MEMORY_OF_DAY),
)


def _run_figures(runs: Sequence[Mapping[str, Any]]) -> list[tuple[str, Any]]:
    return [(run["name"], run["result"]) for run in runs if "result" in run]


def engine(runs: Sequence[Mapping[str, Any]]) -> tuple[list[Figure], list[Drawing], list[str]]:
    """Seconds of each side, by number of lines."""
    figures, groups, memory, splits, facts = [], {}, {}, {}, []
    for name, found in _run_figures(runs):
        cpu, wall = found["ratios of processor time"], found["ratios of wall time"]
        spent = tuple(found.get("stages", {}).get("wall", {}).items())
        at = found["order_lines"]
        figures += [Figure("engine", what, at, wall.get(what), cpu.get(what), spent) for what in cpu]
        main = next(key for key in found["runs"] if key.startswith("ours") and key.endswith("cutoffs"))
        ours = found["runs"][main]["wall"]
        figures.append(Figure("engine", "peak memory of ours", at, wall=found["runs"][main]["mb"] / 1024, unit=" GB"))
        groups[name] = [
            Bar(
                key,
                run["wall"],
                "floor" if key == "scan" else "ours" if key.startswith("ours") else "peer",
                "" if key == main else f"{number(run['wall'] / ours)}x of {main}",
            )
            for key, run in found["runs"].items()
        ]
        if spent:
            splits[name] = dict(spent)
        memory[name] = [Bar(bar.label, found["runs"][bar.label]["mb"], bar.kind) for bar in groups[name]]
        facts.append(f"{name}: {found['rows']:,} rows of {found['features']} features.")
    drawings: list[Drawing] = [Chart("Seconds by the clock", "s", groups)] if groups else []
    drawings += [Split("Where ours spends its seconds (a run of its own)", splits)] if splits else []
    drawings += [Chart("Peak memory", "MB", memory)] if groups else []
    return figures, drawings, facts


def rows(runs: Sequence[Mapping[str, Any]]) -> tuple[list[Figure], list[Drawing], list[str]]:
    """Microseconds a row with shared and with own cutoffs, and of featuretools."""
    figures, groups, facts = [], {}, []
    for name, found in _run_figures(runs):
        turns = {**found["features alone"], "leads": found["leads, features alone"]}
        for shape, pair in turns.items():
            times = pair["cpu"]
            groups[f"{name}: {shape}"] = [
                Bar("ours, shared cutoffs", times["shared, microseconds a row"], "ours"),
                Bar("ours, instants of their own", times["own, microseconds a row"], "ours",
                    f"{number(times['own over shared'])}x of shared"),
            ]  # fmt: skip
            ratios = (pair[what]["own over shared"] for what in ("wall", "cpu"))
            figures.append(Figure("rows", f"own over shared cutoffs, {shape}", pair["rows"], *ratios))
        peer = found["featuretools"]
        if isinstance(peer, str):
            facts.append(f"{name}: featuretools {peer}")
            continue
        for run in peer["runs"]:
            label = f"featuretools, {run['rows']:,} rows"
            if "failed" in run:
                facts.append(f"{label}: failed, {run['failed'][-300:]}")
                continue
            label += f", tables {run['tables']}, {run['n_jobs']} at once"
            over = run["over ours per row"]
            figures.append(Figure("rows", f"{label}, over ours", run["rows"], over.get("wall"), over.get("cpu")))
            if "cpu" in run["ms a row"]:
                bar = Bar(f"featuretools, {run['rows']:,} rows", run["ms a row"]["cpu"] * 1e3, "peer",
                          f"{number(over['cpu'])}x; {run['n_jobs']} job, tables {run['tables']}")  # fmt: skip
                groups.setdefault(f"{name}: featuretools", []).append(bar)
        facts += [f"{name}: {key}: {number(x)}" for key, x in peer.items() if key.startswith("hours")]
    chart = Chart("Processor time of a row", "us a row", groups)
    return figures, [chart] if groups else [], facts


def reasons(runs: Sequence[Mapping[str, Any]]) -> tuple[list[Figure], list[Drawing], list[str]]:
    """Microseconds a row of tables and of pred_contrib."""
    figures, groups, facts = [], {}, []
    for name, shapes in _run_figures(runs):
        for one in shapes:
            shape = f"{one['leaves']} leaves, depth {one['max_depth'] if one['max_depth'] > 0 else 'free'}"
            if one["tables"] is None:
                facts.append(f"{name}, {shape}: tables would be too large, so pred_contrib is what is used.")
                continue
            low, high = (number(x) for x in one["range of pairs"])
            groups[f"{name}, {shape}"] = [
                Bar("ours, tables", one["tables, us a row"], "ours"),
                Bar("pred_contrib", one["pred_contrib, us a row"], "peer",
                    f"{number(one['ratio'])}x, pairs {low} to {high}"),
            ]  # fmt: skip
            trees = int(name.split(" ")[0].replace(",", ""))
            figures.append(Figure("reasons", f"pred_contrib over ours, {shape}", trees, cpu=one["ratio"]))
            facts.append(
                f"{name}, {shape}: tables made in {number(one['tables made in, s'])} s, {number(one['mb'])} MB; "
                f"greatest difference {number(one['greatest difference'])}."
            )
    chart = Chart("Processor time of a row", "us a row", groups)
    return figures, [chart] if groups else [], facts


def million(runs: Sequence[Mapping[str, Any]]) -> tuple[list[Figure], list[Drawing], list[str]]:
    """A day by stages."""
    figures, groups, memory, drawings, facts = [], {}, {}, [], []
    for name, found in _run_figures(runs):
        ours, stock, at = found["ours"], found["stock"], found["customers"]
        spent = tuple(ours["seconds"].items())
        figures.append(Figure("million", "stock parts over ours", at, found["ratio_wall"], found["ratio_cpu"], spent))
        figures.append(Figure("million", "stock parts over ours, after features", at,
                              cpu=found["ratio_cpu_after_features"]))  # fmt: skip
        figures.append(Figure("million", "seconds of ours", at, ours["wall"], ours["cpu"], spent, unit=" s"))
        figures.append(Figure("million", "peak memory of ours", at, wall=ours["mb"] / 1024, unit=" GB"))
        groups[name] = [
            Bar("ours", ours["wall"], "ours"),
            Bar("stock parts", stock["wall"], "peer", f"{number(found['ratio_wall'])}x of ours"),
        ]
        other = {"start": stock["wall"] - sum(stock["seconds"].values()), **stock["seconds"]}
        drawings.append(Split(f"Where the seconds go, {name}", {"ours": ours["seconds"], "stock parts": other}))
        memory[name] = [Bar("ours", ours["mb"], "ours"), Bar("stock parts", stock["mb"], "peer")]
        lists = found["lists"]
        facts.append(f"{name}: {lists['lists']:,} lists with {lists['entries']:,} entries.")
        measured = stock.get("pred_contrib_measured_rows")
        if measured:
            facts.append(f"{name}: pred_contrib measured on {measured:,} of {stock['riskiest_tenth']:,} rows.")
    if not groups:
        return [], [], []
    return figures, [Chart("Seconds by the clock", "s", groups), *drawings, Chart("Peak memory", "MB", memory)], facts


def training(runs: Sequence[Mapping[str, Any]]) -> tuple[list[Figure], list[Drawing], list[str]]:
    """Bins shared or not, gradients exact or not, rows seen or copied."""
    figures, groups, facts = [], {}, []
    for name, found in _run_figures(runs):
        bins = found["shared_bins"]
        at = bins["rows"]
        ratio = number(bins["seconds_own"] / bins["seconds_shared"])
        groups[f"{name}: {bins['fits']} fits"] = [
            Bar("shared bins", bins["seconds_shared"], "ours"),
            Bar("bins of their own", bins["seconds_own"], "peer", f"{ratio}x of shared"),
        ]
        figures.append(Figure("training", "fits on shared bins over bins of their own", at, cpu=bins["seconds_ratio"]))
        for data, some in found["quantised"].items():
            for way, one in some["ways"].items():
                if one["failed"]:
                    facts.append(f"{name}, {data}, {way}: {one['failed']} of {one['fits']} fits ended in an error.")
                if "seconds" in one:
                    kind, note = (
                        ("ours", "") if way == "exact" else ("peer", f"{number(one['seconds_ratio'])}x of exact")
                    )
                    group = groups.setdefault(f"{name}: one fit on {data}, gradients", [])
                    group.append(Bar(way, one["seconds"], kind, note))
        memory = found["memory"]
        if "growth_ratio" in memory:
            what = "growth of memory, rows seen over rows copied"
            figures.append(Figure("training", what, memory["rows"], cpu=memory["growth_ratio"]))
        same = bins["same_trees"] and memory["same_result"]
        facts.append(f"{name}: the same trees and the same results: {'yes' if same else 'NO'}.")
    chart = Chart("Processor time", "s", groups)
    return figures, [chart] if groups else [], facts


def depth(runs: Sequence[Mapping[str, Any]]) -> tuple[list[Figure], list[Drawing], list[str]]:
    """AUC with the cap less AUC without."""
    shown = []
    for _, found in _run_figures(runs):
        for one in found if isinstance(found, list) else [found]:
            label = f"{one['leaves']} leaves, {one['trees']} trees, depth {one['max_depth']}"
            shown.append((label, (one["difference"], *one["interval"])))
    return [], [Intervals("AUC with the cap less AUC without", shown, _most(shown))] if shown else [], []


def families(runs: Sequence[Mapping[str, Any]]) -> tuple[list[Figure], list[Drawing], list[str]]:
    """Gains quoted from the document's first table."""
    drawings: list[Drawing] = []
    for _, found in _run_figures(runs):
        for data, cells in found.items():
            shown = [(name, tuple(cell)) for name, cell in cells.items()]
            if shown:
                drawings.append(Intervals(f"Gain of AUC on {data}", shown, 0.008))
    return [], drawings, []


def _most(shown: Sequence[tuple[str, tuple[float, ...]]]) -> float:
    return axis([max(abs(x) for _, values in shown for x in values)])[2]


READERS: dict[str, Callable[[Sequence[Mapping[str, Any]]], tuple[list[Figure], list[Drawing], list[str]]]] = {
    "engine": engine, "rows": rows, "reasons": reasons, "million": million, "training": training, "depth": depth,
    "families": families,
}  # fmt: skip


def quoted_families(document: Path) -> dict[str, dict[str, tuple[float, float, float]]]:
    """Return gains with their intervals by data set and family: the first table of the document."""
    lines = document.read_text(encoding="utf-8").splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith("| family |"))
    head = [cell.strip() for cell in lines[start].strip("|").split("|")]
    found: dict[str, dict[str, tuple[float, float, float]]] = {name: {} for name in head[2:]}
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        for name, cell in zip(head[2:], cells[2:], strict=True):
            numbers = re.match(r"([-+][\d.]+) \(([-+][\d.]+) to ([-+][\d.]+)\)", cell)
            if numbers:
                found[name][f"{cells[0]} ({cells[1]})"] = (float(numbers[1]), float(numbers[2]), float(numbers[3]))
    return found


def _share(figure: Figure) -> str:
    total = sum(seconds for _, seconds in figure.stages)
    if not total:
        return ""
    parts = sorted(figure.stages, key=lambda stage: -stage[1])
    shown = ", ".join(f"{name} {number(seconds)} s ({seconds / total:.0%})" for name, seconds in parts)
    return f"Of {number(total)} s of ours: {shown}."


def judge(figure: Figure, goals: Sequence[Goal] = GOALS) -> Row:
    """Return a figure with its goal; met means by the clock and by processor time, where both were measured."""
    unit, sides = figure.unit, {"wall": figure.wall, "processor time": figure.cpu}
    known = {name: value for name, value in sides.items() if value is not None}
    said = ", ".join(f"{number(value)}{unit} {name}" for name, value in known.items())
    if unit == " GB":  # memory has no clock
        said = "".join(f"{number(value)}{unit}" for value in known.values())
    name = f"{figure.name} ({figure.at:,} {TOPICS[figure.topic].of})"
    own = [goal for goal in goals if (goal.topic, goal.name) == (figure.topic, figure.name)]
    if not own:
        return Row(figure.topic, name, said, "none set", "")
    goal = next((goal for goal in own if goal.at == figure.at), own[0])
    limits = [f"at least {number(goal.least)}{unit}"] if goal.least is not None else []
    limits += [f"at most {number(goal.most)}{unit}"] if goal.most is not None else []
    text = " and ".join(limits)
    if goal.at != figure.at:
        return Row(figure.topic, name, said, f"{text}, at {goal.at:,}", "not judged")
    least, most = (
        float("-inf") if goal.least is None else goal.least,
        float("inf") if goal.most is None else goal.most,
    )
    held = [side for side, value in known.items() if least <= value <= most]
    if len(held) == len(known):
        return Row(figure.topic, name, said, text, "met")
    met = f"met by {held[0]} only" if held else "not met"
    return Row(figure.topic, name, said, text, met, " ".join(part for part in (goal.why, _share(figure)) if part))


def told(results: Mapping[str, Any], goals: Sequence[Goal] = GOALS) -> tuple[list[Row], list[Section]]:
    """Return the table and the sections of results; what is absent or failed, and goals never measured, are said."""
    found, sections = [], []
    for name, topic in TOPICS.items():
        own = results.get("topics", {}).get(name)
        if own is None:
            absent = ["Not run: it was not among the topics asked for."]
            sections.append(Section(name, topic.title, topic.inside, absent=absent))
            continue
        runs = own.get("runs", [])
        absent = [f"Not run: {own['missing']}"] if "missing" in own else []
        absent += [f"{run['name']}: failed.\n{run['failed']}" for run in runs if "failed" in run]
        figures, drawings, facts = READERS[name](runs)
        found += figures
        took = [
            f"{run['name']}: the whole benchmark took {number(run['seconds'])} s." for run in runs if "seconds" in run
        ]
        took += [f"Begun {own['begun']}."] if "begun" in own and runs else []
        commands = [f"python {' '.join(run['command'])}" for run in runs if "command" in run]
        sections.append(Section(name, topic.title, topic.inside, drawings, [*facts, *took, *commands], absent))
    table = [judge(figure, goals) for figure in found]
    measured = {(figure.topic, figure.name) for figure in found}
    for goal in goals:
        if (goal.topic, goal.name) not in measured:
            limit = (
                f"at least {number(goal.least)}x" if goal.least is not None else f"at most {number(goal.most or 0)}x"
            )
            table.append(
                Row(
                    goal.topic,
                    f"{goal.name} ({goal.at:,} {TOPICS[goal.topic].of})",
                    "not measured",
                    limit,
                    "not judged",
                )
            )
    return table, sections
