"""What the documents say is what the code does."""

import re
import subprocess
from pathlib import Path

import pytest

from crm_ml.errors import ExitCode

ROOT = Path(__file__).parent.parent


def test_exit_codes_in_the_document_are_those_of_the_code() -> None:
    text = (ROOT / "docs" / "exit-codes.md").read_text()
    rows = re.findall(r"^\| ([\d, ]+) \| ([A-Z_, ]+) \|", text, flags=re.MULTILINE)
    documented = {
        name.strip(): int(number)
        for numbers, names in rows
        for number, name in zip(numbers.split(","), names.split(","), strict=True)
    }
    assert documented == {code.name: int(code) for code in ExitCode}


def test_commands_of_the_readme_exist() -> None:
    readme = (ROOT / "README.md").read_text()
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z]+)\b", readme, flags=re.MULTILINE))
    assert {"demo", "test"} <= named
    assert named <= targets


@pytest.mark.parametrize("name", sorted(p.name for p in (ROOT / "docs" / "decisions").glob("0*.md")))
def test_decisions_are_listed_and_complete(name: str) -> None:
    listing = (ROOT / "docs" / "decisions" / "README.md").read_text()
    text = (ROOT / "docs" / "decisions" / name).read_text()
    assert f"({name})" in listing
    for part in ("**Context.**", "**Choice.**", "**Measured.**", "**What would change it.**"):
        assert part in text


PAGES = ["README.md", "CONTRIBUTING.md", *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md"))]
PAGES += [f"{folder}/README.md" for folder in ("pipelines", "benchmarks", "mlflow")]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    source = ROOT / page
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", source.read_text()):
        if not target.startswith(("http:", "https:", "mailto:")):
            assert (source.parent / target).exists(), f"{page} links to {target}"


@pytest.mark.parametrize("script", ["pipelines/daily.sh", "pipelines/setup.sh", "mlflow/serve.sh", ".ci/run"])
def test_scripts_parse(script: str) -> None:
    done = subprocess.run(["bash", "-n", str(ROOT / script)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_feature_catalogue_is_up_to_date() -> None:
    from crm_ml.features import catalogue_markdown

    written = (ROOT / "docs" / "feature-catalogue.md").read_text(encoding="utf-8")
    assert written == catalogue_markdown(), "run `make catalogue`"


def test_the_reference_of_crm_yaml_is_up_to_date() -> None:
    from crm_ml.jobs.reference import settings_markdown

    written = (ROOT / "docs" / "crm-yaml.md").read_text(encoding="utf-8")
    assert written == settings_markdown(), "run `make reference`"
    for key in ("currency", "churn.snapshots.every_days", "tables.<table>.source.delimiter", "tables.<table>.where"):
        assert f"| `{key}` |" in written


def _options(command: str) -> set[str]:
    import typer.main

    from crm_ml.cli.app import app

    group = typer.main.get_command(app)
    return {option for parameter in group.commands[command].params for option in parameter.opts if option[:2] == "--"}


def test_every_command_and_option_is_documented() -> None:
    import typer.main

    from crm_ml.cli.app import app

    text = (ROOT / "docs" / "commands.md").read_text()
    group = typer.main.get_command(app)
    for command in group.commands:
        assert f"## {command}" in text, f"docs/commands.md lacks {command}"
        for option in _options(command):
            assert f"`{option}" in text, f"docs/commands.md lacks {option} of {command}"


def test_the_example_of_own_rows_runs(untrained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pandas as pd

    page = (ROOT / "docs" / "how-it-works.md").read_text()
    block = re.search(r"<!-- example: own rows -->\n```python\n(.*?)```", page, flags=re.DOTALL)
    assert block is not None
    untrained.rename(untrained.parent / "demo")
    monkeypatch.chdir(untrained.parent)
    made: dict[str, pd.DataFrame] = {}
    exec(compile(block[1], "how-it-works.md", "exec"), made)
    table, rows = made["table"], made["rows"]
    assert table["customer_id"].tolist() == rows["customer_id"].tolist()
    told = table["as_of"].dt.tz_convert("Europe/Berlin").dt.tz_localize(None)
    assert told.tolist() == rows["as_of"].tolist()


def test_the_example_of_an_own_feature_runs() -> None:
    """The lines shown in docs/how-it-works.md, on a firm of three visits."""
    import datetime as dt

    import pandas as pd

    from crm_ml.features import build_features, default_features, remove_feature
    from crm_ml.tables import from_frames

    page = (ROOT / "docs" / "how-it-works.md").read_text()
    block = re.search(r"<!-- example: own feature -->\n```python\n(.*?)```", page, flags=re.DOTALL)
    assert block is not None
    declaration = block[1].split("ws = crm.open_workspace")[0]
    assert len([line for line in declaration.splitlines() if line.strip() and "import" not in line]) < 10
    before = {feature.id for feature in default_features()}
    exec(compile(declaration, "how-it-works.md", "exec"), {})
    (added,) = {feature.id for feature in default_features()} - before
    try:
        visits = {
            "interaction_id": ["1", "2", "3"],
            "customer_id": ["7"] * 3,
            "channel": ["visit", "visit", "phone"],
            "occurred_at": ["2026-02-01", "2025-12-01", "2026-02-02"],
        }
        tables = from_frames({"interactions": pd.DataFrame(visits)})
        spine = pd.DataFrame({"customer_id": ["7"], "as_of": [dt.date(2026, 3, 2)]})
        assert build_features(tables, spine)[added].tolist() == [1.0]
    finally:
        remove_feature(added)


def test_the_example_of_features_yaml_holds_and_its_keys_are_told(tmp_path: Path) -> None:
    from crm_ml.features import CUSTOMER, LEAD
    from crm_ml.jobs.features_file import AddedFeature, FeatureFile, read_choices

    page = (ROOT / "docs" / "features-yaml.md").read_text()
    block = re.search(r"<!-- example: features.yaml -->\n```yaml\n(.*?)```", page, flags=re.DOTALL)
    assert block is not None
    (tmp_path / "features.yaml").write_text(block[1])
    choices, _ = read_choices(tmp_path, None)
    assert [feature.id for feature in choices[CUSTOMER.name].add] == ["visits_45d", "visits_trend"]
    assert choices[LEAD.name].leave_out == ("lead_owner_*",)
    declared = block[1].split("- id: visits_45d")[1].split("- {id")[0]
    assert len(declared.strip().splitlines()) < 10
    for key in (*FeatureFile.model_fields, *AddedFeature.model_fields):
        assert f"`{key}`" in page
