"""docs/policy.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from crm_ml.actions.policy import PLACEHOLDERS, default_policy, lint_policy, parse_policy, policy_yaml
from crm_ml.actions.policy import lint as linter
from crm_ml.actions.policy.reference import policy_reference

PAGE = (Path(__file__).parents[2] / "docs" / "policy.md").read_text(encoding="utf-8")


def test_the_keys_are_those_of_the_code():
    assert PAGE.split("<!-- keys -->")[1].strip() == policy_reference().strip()


def test_every_key_has_a_meaning():
    rows = [row.split(" | ") for row in policy_reference().splitlines()[2:]]
    assert [row[0] for row in rows if len(row) != 4 or len(row[3].strip(" |")) < 8] == []


def test_the_findings_are_those_of_the_linter():
    source = Path(linter.__file__).read_text(encoding="utf-8")
    found = set(re.findall(r'_said\(\s*"(error|warning)",\s*"(\w+)"', source))
    section = PAGE.split("## What the linter finds")[1].split("\n## ")[0]
    assert set(map(tuple, map(reversed, re.findall(r"^\| `(\w+)` \| (\w+) \|", section, flags=re.MULTILINE)))) == found
    assert len(found) > 20


def test_the_table_of_what_is_shipped_is_the_default():
    section = PAGE.split("## What is shipped, and why")[1].split("\n- ")[0]
    rows = re.findall(r"\| `(\w+)`.*? \| (\S+) \| (\d+) working days? \| (\d+) \| ([\d.]+) \|", section)
    channels = {"e-mail": "email"}
    assert {row[0]: (channels.get(row[1], row[1]), *map(float, row[2:])) for row in rows} == {
        id: (action.channel, action.due_working_days, action.cost, action.save_rate)
        for id, action in default_policy().actions.items()
    }


def test_the_save_rates_are_called_assumptions_with_their_source():
    for id, action in default_policy().actions.items():
        assert f"| `{id}.save_rate` | {action.save_rate:.2f} |" in PAGE
        assert action.save_rate_source.startswith("assumption before any experiment")
    assert "ASSUMPTIONS" in policy_yaml()


def test_the_words_in_braces_are_listed():
    assert re.findall(r"`\{(\w+)\}`", PAGE) == list(PLACEHOLDERS)


def test_every_key_of_the_shipped_file_is_in_the_reference():
    known = set(re.findall(r"^\| `([^`]+)`", policy_reference(), flags=re.MULTILINE))

    def keys(value, prefix):
        for name, inner in value.items():
            yield f"{prefix}{name}"
            if isinstance(inner, dict):
                below = f"{prefix}{name}.<action>" if name == "actions" else f"{prefix}{name}"
                for entry in inner.values() if name == "actions" else [inner]:
                    yield from keys(entry, f"{below}.")

    assert set(keys(yaml.safe_load(policy_yaml()), "")) <= known


@pytest.mark.parametrize("number", [0, 1])
def test_the_examples_are_sound(number):
    blocks = [block for block in re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL) if block.startswith("rules:")]
    assert len(blocks) == 2
    value = {**yaml.safe_load(policy_yaml()), **yaml.safe_load(blocks[number])}
    assert lint_policy(parse_policy(value)) == []
