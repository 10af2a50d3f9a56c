"""Every figure with its peers in one go: a table of goals, raw results as JSON, and one page with charts.

    python benchmarks/page.py --size full --out benchmarks.html --markdown docs/benchmarks.md
    python benchmarks/page.py --from benchmarks.json --out again.html

Benchmarks run one after the other, each in a process of its own; nothing fails because of what was measured. A script
that is not there, data that is not there and a benchmark that ends in an error are told on the page. Results are kept
after each run, so what was measured survives an interruption; `--add` measures some topics anew and keeps the others.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from page_drawing import html, markdown, plain_table, whole
from page_topics import SIZES, TOPICS, Command, Topic, quoted_families, told

from crm_ml.processors import processors

HERE = Path(__file__).parent
PACKAGES = ("numpy", "pandas", "pyarrow", "duckdb", "lightgbm", "numba")
EVERY_SECONDS = 30


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def model_name() -> str:
    """Return what the processor calls itself, or its kind."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def machine() -> dict[str, Any]:
    """Return what figures depend on."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "absent"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {"processors": processors(), "model": model_name(), "memory_gb": round(memory, 1), "versions": versions}


def machine_lines(results: dict[str, Any]) -> list[str]:
    """Return the machine in words."""
    own = results.get("machine", {})
    versions = ", ".join(f"{name} {number}" for name, number in own.get("versions", {}).items())
    lines = [
        f"{own.get('processors', '?')} processors ({own.get('model', 'unknown')}), {own.get('memory_gb', '?')} GB of "
        f"memory; {versions}."
    ]
    loads = [load for topic in results.get("topics", {}).values() for load in topic.get("load", ())]
    if loads:
        lines.append(
            f"Load of the machine before and after each topic: {min(loads):.1f} to {max(loads):.1f}; more than its "
            "processors makes wall times long, less so ratios of processor time."
        )
    return lines


def last_json(text: str) -> Any:
    """Return what a benchmark printed: one JSON document, or one per line."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return [json.loads(line) for line in text.splitlines() if line.strip()]


def run(script: str, command: Command, more: Sequence[str], title: str) -> dict[str, Any]:
    """Run a benchmark and return its result, or how it failed."""
    options = [*command.options, *more]
    kept = {"name": command.name, "command": [f"benchmarks/{script}", *options]}
    begin = time.perf_counter()
    say(f"{title} ...")
    process = subprocess.Popen(
        [sys.executable, str(HERE / script), *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while True:
        try:
            out, err = process.communicate(timeout=EVERY_SECONDS)
            break
        except subprocess.TimeoutExpired:
            say(f"{title} ... {time.perf_counter() - begin:.0f} s")
        except BaseException:
            process.kill()
            process.wait()
            raise
    kept["seconds"] = round(time.perf_counter() - begin, 1)
    if process.returncode:
        say(f"{title} failed after {kept['seconds']} s")
        return {**kept, "failed": err.strip()[-1500:] or f"it ended with {process.returncode}"}
    try:
        result = last_json(out)
    except json.JSONDecodeError:
        return {**kept, "failed": f"it printed no JSON: {out.strip()[-500:]}"}
    say(f"{title} done in {kept['seconds']} s")
    return {**kept, "result": result}


def missing(topic: Topic) -> str:
    """Return why a topic cannot run, or nothing."""
    if topic.quoted:
        return "" if (HERE.parent / topic.quoted).is_file() else f"{topic.quoted} is not there"
    if not (HERE / topic.script).is_file():
        return f"benchmarks/{topic.script} is not there"
    folder = os.environ.get("CRM_ML_REAL_DATA", "")
    if topic.needs_real_data and not (folder and Path(folder).is_dir()):
        return "it needs real orders: set CRM_ML_REAL_DATA to their folder"
    return ""


def measure(
    size: str, names: Sequence[str], kept: Path, featuretools: Path | None, before: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Run the benchmarks of topics and keep the results after each run, with those of `before`."""
    begun = dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
    results = {"size": size, "begun": begun, "machine": machine(), "topics": {**(before or {}).get("topics", {})}}
    if before and (before["size"], before["machine"]) != (size, results["machine"]):
        raise SystemExit(f"--add needs results of the same size on the same machine; {kept} holds others")
    for place, name in enumerate(names, 1):
        topic = TOPICS[name]
        own: dict[str, Any] = {"begun": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC"), "runs": []}
        own["load"] = [os.getloadavg()[0]] * 2
        results["topics"][name] = own
        absent = missing(topic)
        if absent:
            own["missing"] = absent
            say(f"[{place}/{len(names)}] {name}: {absent}")
        elif topic.quoted:
            gains = quoted_families(HERE.parent / topic.quoted)
            own["runs"].append({"name": f"quoted from {topic.quoted}", "result": gains})
        else:
            more = ("--peer", str(featuretools)) if name == "rows" and featuretools else ()
            for command in topic.runs[size]:
                own["runs"].append(run(topic.script, command, more, f"[{place}/{len(names)}] {name}, {command.name}"))
                kept.write_text(json.dumps(results, indent=1), encoding="utf-8")
        own["load"][1] = os.getloadavg()[0]
        kept.write_text(json.dumps(results, indent=1), encoding="utf-8")
    return results


def topics_of(text: str) -> list[str]:
    """Return the topics that were asked for, in their order on the page."""
    asked = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in asked if name not in TOPICS]
    if unknown or not asked:
        raise argparse.ArgumentTypeError(f"topics are {', '.join(TOPICS)}; found {', '.join(unknown) or 'none'}")
    return [name for name in TOPICS if name in asked]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--only", type=topics_of, default=list(TOPICS), help=f"some of {','.join(TOPICS)}")
    parser.add_argument("--out", type=Path, default=Path("benchmarks.html"), help="the page; raw results go beside it")
    parser.add_argument("--from", dest="kept", type=Path, help="draw from raw results of a run before, without running")
    parser.add_argument(
        "--add", action="store_true", help="keep what the raw results beside --out hold of other topics"
    )
    parser.add_argument("--markdown", type=Path, help="the same as Markdown")
    parser.add_argument("--featuretools", type=Path, help="interpreter that has featuretools, for the topic rows")
    asked = parser.parse_args()
    if asked.kept:
        results = json.loads(asked.kept.read_text(encoding="utf-8"))
    else:
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        kept = asked.out.with_suffix(".json")
        before = json.loads(kept.read_text(encoding="utf-8")) if asked.add and kept.is_file() else None
        results = measure(asked.size, asked.only, kept, asked.featuretools, before)
    rows, sections = told(results)
    lines = machine_lines(results)
    asked.out.write_text(html(whole(results), lines, rows, sections), encoding="utf-8")
    if asked.markdown:
        asked.markdown.write_text(markdown(whole(results), lines, rows, sections), encoding="utf-8")
    print(plain_table(rows))


if __name__ == "__main__":
    main()
