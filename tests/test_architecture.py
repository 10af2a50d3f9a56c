"""The house keeps its rules: floors, no clock, no pickle, no Python in mlflow/, no addresses."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
CLOCK = {("datetime", "now"), ("datetime", "today"), ("date", "today"), ("datetime", "utcnow"), ("time", "time")}
CLOCK |= {("Timestamp", "now"), ("Timestamp", "today")}


def tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        return [p for p in ROOT.rglob("*") if p.is_file() and not {".venv", "demo"} & set(p.relative_to(ROOT).parts)]
    # files about to be added count too: a rule is broken before the commit, not after it
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    return [path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def test_mlflow_folder_holds_no_python() -> None:
    assert [p for p in tracked() if p.suffix == ".py" and p.relative_to(ROOT).parts[0] == "mlflow"] == []


def test_no_pickle_anywhere_in_the_package() -> None:
    found = [
        f"{path.name}: {alias}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names])
        if alias.split(".")[0] in {"pickle", "joblib", "cloudpickle", "skops", "dill", "marshal", "shelve"}
    ]
    assert found == []


def test_only_the_command_line_reads_the_clock() -> None:
    found = []
    for path in SOURCES:
        if "cli" in path.relative_to(ROOT).as_posix():
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = node.func.value
                name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
                if (name, node.func.attr) in CLOCK:
                    found.append(f"{path.name}:{node.lineno} {name}.{node.func.attr}()")
    assert found == []


def test_no_print_behind_the_door() -> None:
    found = [
        f"{path.name}:{node.lineno}"
        for path in SOURCES
        if "cli" not in path.relative_to(ROOT / "src" / "crm_ml").parts[0]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert found == []


@pytest.mark.parametrize(
    ("package", "allowed"),
    [
        ("mlflow", ("jobs/tracking",)),
        ("lightgbm", ("models/",)),
        ("shap", ("models/explain/pictures",)),
        ("matplotlib", ("models/explain/pictures",)),
        ("numba", ("compiled",)),
        ("duckdb", ("tables/", "features/")),
    ],
)
def test_heavy_packages_stay_in_their_rooms(package: str, allowed: tuple[str, ...]) -> None:
    found = []
    for path in SOURCES:
        place = path.relative_to(ROOT / "src" / "crm_ml").as_posix()
        if place.startswith(allowed):
            continue
        tree = ast.parse(path.read_text())
        guards = [
            node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        ]
        only_types = {id(inner) for guard in guards for inner in ast.walk(guard)}
        for node in ast.walk(tree):
            if id(node) in only_types:
                continue
            modules = (
                [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else []
            )
            found += [f"{place}:{node.lineno}" for module in modules if module.split(".")[0] == package]
    assert found == []


def test_the_command_line_starts_without_the_heavy_packages() -> None:
    heavy = ["numpy", "pandas", "pyarrow", "duckdb", "lightgbm", "sklearn", "mlflow", "shap", "numba", "matplotlib"]
    heavy += ["holidays", "jinja2", "xlsxwriter"]
    code = f"import sys, crm_ml, crm_ml.cli; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_registry_address_and_no_path_of_a_machine() -> None:
    from pip._internal.models.index import PyPI

    hosts = [PyPI.netloc, PyPI.file_storage_domain]
    machine = [f"{ROOT.parent}/", f"{Path.home()}/"]
    found = []
    for path in tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {word}" for word in hosts + machine if word in text]
    assert found == []


def test_nothing_tracked_that_is_made_by_running() -> None:
    bad = re.compile(r"(^|/)(uv\.lock|mlruns|.*\.db|.*\.pyc|\.venv|demo)(/|$)")
    assert [str(p.relative_to(ROOT)) for p in tracked() if bad.search(p.relative_to(ROOT).as_posix())] == []
    assert [p.name for p in tracked() if p.stat().st_size > 1_000_000] == []


def test_modules_stay_readable() -> None:
    assert {p.name: n for p in SOURCES if (n := len(p.read_text().splitlines())) > 500} == {}


def test_every_error_expected_by_a_test_is_matched() -> None:
    found = []
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            named = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "raises"
            if named and not any(keyword.arg in {"match", "check"} for keyword in node.keywords):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert found == []
