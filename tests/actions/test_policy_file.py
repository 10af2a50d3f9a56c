"""The policy of a workspace: where it may lie, and what is refused."""

from __future__ import annotations

import time

import pytest

from crm_ml.actions.policy import default_policy, policy_yaml
from crm_ml.errors import UsageError
from crm_ml.jobs.policy_file import load_policy, read_policy
from crm_ml.jobs.settings import open_workspace

HEAD = "version: 1\ncurrency: EUR\ntimezone: Europe/Berlin\n"
TABLES = "tables:\n  order_lines: {source: o.parquet}\n"


def workspace(folder, policy=None, tables=TABLES):
    folder.mkdir(exist_ok=True)
    line = "" if policy is None else f"policy: '{policy}'\n"
    (folder / "crm.yaml").write_text(HEAD + tables + line, encoding="utf-8")
    return open_workspace(folder)


def test_without_the_key_it_is_the_default(tmp_path):
    assert load_policy(workspace(tmp_path)) == default_policy()


def test_the_file_that_is_named_is_read(tmp_path):
    ws = workspace(tmp_path, "rules/policy.yaml")
    (tmp_path / "rules").mkdir()
    text = policy_yaml().replace('version: "2026-01"', 'version: "mine"')
    (tmp_path / "rules" / "policy.yaml").write_text("\ufeff" + text, encoding="utf-8")
    policy = load_policy(ws)
    assert policy.version_text == f"mine ({policy.sha256[:8]})"
    # comments and the order of keys do not change what it is
    (tmp_path / "rules" / "policy.yaml").write_text(f"# more\n{text}# more\n", encoding="utf-8")
    assert load_policy(ws).sha256 == policy.sha256


def test_an_absolute_path_may_lie_anywhere(tmp_path):
    (tmp_path / "firm.yaml").write_text(policy_yaml(), encoding="utf-8")
    assert load_policy(workspace(tmp_path / "ws", tmp_path / "firm.yaml")) == default_policy()


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("absent.yaml", r"crm\.yaml: policy: there is no file absent\.yaml"),
        ("../firm.yaml", r"crm\.yaml: policy: the path of a policy must stay inside the workspace"),
        ("link.yaml", r"crm\.yaml: policy: link\.yaml is a link that leaves the workspace"),
        ("folder", r"crm\.yaml: policy: folder is a folder, not a file"),
        ("*.yml", r"crm\.yaml: policy: 2 files match \*\.yml"),
    ],
)
def test_other_places_are_refused(tmp_path, name, what):
    ws = workspace(tmp_path / "ws", name)
    (tmp_path / "firm.yaml").write_text(policy_yaml(), encoding="utf-8")
    (ws.root / "link.yaml").symlink_to(tmp_path / "firm.yaml")
    (ws.root / "folder").mkdir()
    for other in ("a.yml", "b.yml"):
        (ws.root / other).write_text(policy_yaml(), encoding="utf-8")
    with pytest.raises(UsageError, match=what) as caught:
        load_policy(ws)
    assert caught.value.code == "no_policy"


def test_faults_and_errors_of_the_linter_are_refused_all_at_once(tmp_path):
    ws = workspace(tmp_path, "policy.yaml")
    file = tmp_path / "policy.yaml"
    file.write_text(policy_yaml().replace("answers:", "anwsers:").replace("cost: 60", "cost: -1"), encoding="utf-8")
    with pytest.raises(UsageError, match=r"policy\.yaml has 3 faults: .*Did you mean \"answers\"") as caught:
        load_policy(ws)
    assert caught.value.code == "bad_value"
    file.write_text(
        policy_yaml()
        .replace("requires: [email, marketing_basis]", "requires: email")
        .replace("then: clear", "then: cleer"),
        encoding="utf-8",
    )
    with pytest.raises(UsageError, match=r"policy\.yaml has 2 faults: rules\.issue_first\.then: there is no") as caught:
        load_policy(ws)
    assert [finding.code for finding in caught.value.findings] == ["unknown_action", "mail_without_basis"]
    assert {finding.severity for finding in read_policy(ws)[1]} == {"error", "warning"}


def test_warnings_are_said_and_not_refused(tmp_path):
    ws = workspace(tmp_path, "policy.yaml")
    text = policy_yaml().replace('save_rate_source: "assumption before any experiment: a third of a personal talk"', "")
    (tmp_path / "policy.yaml").write_text(text, encoding="utf-8")
    policy, findings = read_policy(ws)
    assert load_policy(ws) == policy
    assert [(finding.code, finding.column) for finding in findings] == [
        ("save_rate_without_source", "actions.offer_email")
    ]


def test_own_attributes_may_be_asked_for(tmp_path):
    customers = (
        "  customers:\n    source: c.parquet\n"
        "    attributes: {known_from: '', columns: {'Größe (m²)': A, 'Größe [m²]': B, '!': C}}\n"
    )
    ws = workspace(tmp_path, "policy.yaml", TABLES + customers)
    rules = "".join(
        f"  - {{id: r{i}, when: {{tier: low, features: {{{name}: {{min: 1}}}}}}, then: none}}\n"
        for i, name in enumerate(
            ["attribute_groesse_m2", "attribute_groesse_m2_2", "attribute_own", "attribute_groesse_m3", "employee"]
        )
    )
    (tmp_path / "policy.yaml").write_text(policy_yaml().replace("rules:\n", f"rules:\n{rules}"), encoding="utf-8")
    with pytest.raises(UsageError, match="there is no feature of this id") as caught:
        load_policy(ws)
    assert [finding.column for finding in caught.value.findings] == [
        "rules.r3.when.features.attribute_groesse_m3",
        "rules.r4.when.features.employee",
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a: &a [x, x]\nb: [*a, *a]\n", r"aliases \(\*name\) are not allowed"),
        ("version: !!python/object/apply:os.system ['true']\n", "could not determine a constructor"),
        ("version: '1'\nversion: '2'\n", "the key 'version' stands twice"),
        ("- a\n", "must hold `key: value` lines; found list"),
    ],
)
def test_yaml_is_read_safely(tmp_path, text, what):
    ws = workspace(tmp_path, "policy.yaml")
    (tmp_path / "policy.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=what):
        load_policy(ws)


def test_a_billion_laughs_are_refused_at_once(tmp_path):
    lines = ["a0: &a0 [x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 30)]
    ws = workspace(tmp_path, "policy.yaml")
    (tmp_path / "policy.yaml").write_text("\n".join(lines), encoding="utf-8")
    start = time.perf_counter()
    with pytest.raises(UsageError, match="aliases"):
        load_policy(ws)
    assert time.perf_counter() - start < 1.0
