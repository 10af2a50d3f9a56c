"""A model as a folder of text that cannot run code: written deterministically, hashed before a byte is parsed.

``bundle.json`` names every other file with its SHA-256 and carries one of itself under ``self_sha256``; the SHA-256 of
the whole file is the bundle's identity. Nothing here is a pickle, and a LightGBM text is first loaded in a child
process, because a damaged one can abort the interpreter.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
import os
import stat
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from crm_ml.errors import DamagedArtefact, Failure, UsageError
from crm_ml.faults import crash_point
from crm_ml.features.spec import AnyFeature
from crm_ml.features.stored import as_json, from_json
from crm_ml.models.boosting import Boosting
from crm_ml.models.calibration import calibration_from_json
from crm_ml.models.columns import Column, ColumnContract
from crm_ml.models.lead_rules import COLUMN_RULES, column_rule_from_json
from crm_ml.models.logistic import Logistic, Term
from crm_ml.models.model import Label, Model
from crm_ml.models.points import POINTS, points_rule_from_json
from crm_ml.models.rules import RULES, Rule, rule_constants
from crm_ml.models.scorer import MODEL_TEXTS, Average, Scorer

FORMAT = "crm-ml bundle"
FORMAT_VERSION = 1
BUNDLE_FILE = "bundle.json"
_ALWAYS = ("calibration.json", "features.json")
_MODEL_FILES = {
    "lightgbm": ("model.txt",),
    "logistic": ("model.json",),
    "rule": ("model.json",),
    "average": ("model.json", "model.txt"),
}
PART_FILES = frozenset({*_ALWAYS, "model.json", *MODEL_TEXTS})
"""Every file but ``bundle.json`` that a bundle may hold."""
_TARGETS = ("churn", "won", "opportunity", "sql")
_MAX_BYTES = 256 * 2**20
_TRIAL_SECONDS = 120
_REMEDY = "Restore the bundle from the registry or a backup, or train again."
# texts that a child process, or this process itself by fitting, has shown to load
_tried: set[str] = set()

_CHILD = """
import sys
text = sys.stdin.buffer.read().decode("utf-8")
import lightgbm, numpy
booster = lightgbm.Booster(model_str=text)
rows = numpy.zeros((2, booster.num_feature()))
rows[1] = numpy.nan
assert numpy.isfinite(booster.predict(rows, raw_score=True)).all()
assert numpy.isfinite(booster.predict(rows, pred_contrib=True)).all()
sys.stdout.write("\\nloaded " + str(booster.num_feature()) + "\\n")
"""


def canonical_json(value: Any) -> bytes:
    r"""Return the one JSON text of a value: sorted keys, shortest exact floats, no NaN.

    Examples
    --------
    >>> canonical_json({"b": 0.1, "a": [1, None]}).decode()
    '{"a":[1,null],"b":0.1}\n'
    """
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.encode("ascii") + b"\n"


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def write_bundle(model: Model, folder: Path, meta: Mapping[str, Any] | None = None) -> str:
    """Write the model's files into a new or empty folder and return the SHA-256 of ``bundle.json``.

    Parameters
    ----------
    model : Model
        What to store.
    folder : pathlib.Path
        Is made if it does not exist; must be empty.
    meta : mapping, optional
        JSON-ready values to keep with it, e.g. metrics, data hash, versions. They never influence scoring.

    Raises
    ------
    Failure
        If the folder already holds something.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise Failure(f"A bundle is written into an empty folder; {folder} holds files", remedy="Name another folder.")
    contents: dict[str, bytes] = {
        "calibration.json": canonical_json(model.calibration.as_json()),
        "features.json": canonical_json({"features": model.contract.as_json()}),
    }
    for name, content in model.scorer.files().items():
        contents[name] = content.encode("utf-8") if isinstance(content, str) else canonical_json(content)
    bundle = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "model_kind": model.kind,
        "label": model.label.as_json(),
        "train_as_of": model.train_as_of.isoformat(),
        "feature_count": len(model.contract.columns),
        "files": {name: _sha(content) for name, content in contents.items()},
        "meta": dict(meta or {}),
        **({"declared": [as_json(feature) for feature in model.declared]} if model.declared else {}),
    }
    contents[BUNDLE_FILE] = canonical_json({**bundle, "self_sha256": _sha(canonical_json(bundle))})
    # bundle.json comes last: without it a folder is not a bundle
    for name in sorted(contents, key=lambda n: (n == BUNDLE_FILE, n)):
        crash_point(f"bundle.write.{name}")
        with open(folder / name, "xb") as file:
            file.write(contents[name])
            file.flush()
            os.fsync(file.fileno())
    _tried.update(_sha(contents[name]) for name in MODEL_TEXTS if name in contents)
    return _sha(contents[BUNDLE_FILE])


@dataclass(frozen=True)
class _Files:
    contents: Mapping[str, bytes]
    bundle: Mapping[str, Any]


def _damaged(folder: Path, what: str) -> DamagedArtefact:
    return DamagedArtefact(f"Model bundle {folder}: {what}", remedy=_REMEDY)


def _read(folder: Path, name: str) -> bytes:
    try:
        # O_NOFOLLOW and O_NONBLOCK: a link or a pipe in place of a file must neither be followed nor waited for
        handle = os.open(folder / name, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise _damaged(folder, f"{name} must be a readable regular file; found: {error.strerror}") from error
    try:
        # before a file object is made of it: a folder in its place must be told from a file by this message too
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise _damaged(folder, f"{name} must be a regular file")
        if status.st_size > _MAX_BYTES:
            raise _damaged(folder, f"{name} must be at most {_MAX_BYTES} bytes; found {status.st_size}")
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(handle)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands twice")
    return result


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number")


def _parse(folder: Path, name: str, content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content.decode("ascii"), object_pairs_hook=_no_duplicates, parse_constant=_refuse_constant)
        canonical = canonical_json(value)
    except (ValueError, RecursionError) as error:
        raise _damaged(folder, f"{name} must be strict JSON; {error}") from error
    if not isinstance(value, dict) or canonical != content:
        raise _damaged(folder, f"{name} must be one JSON object in canonical form")
    return value


def _read_checked(folder: Path, sha256: str | None) -> _Files:
    try:
        found = sorted(os.listdir(folder))
    except OSError as error:
        raise _damaged(folder, f"the folder must be readable; found: {error.strerror}") from error
    if BUNDLE_FILE not in found:
        raise _damaged(folder, f"{BUNDLE_FILE} is missing; found {', '.join(map(repr, found[:8])) or 'nothing'}")
    raw = _read(folder, BUNDLE_FILE)
    if sha256 is not None and _sha(raw) != sha256:
        raise _damaged(folder, f"{BUNDLE_FILE} must have SHA-256 {sha256}; found {_sha(raw)}")
    bundle = _parse(folder, BUNDLE_FILE, raw)
    own = bundle.pop("self_sha256", None)
    if own != _sha(canonical_json(bundle)):
        raise _damaged(folder, f"{BUNDLE_FILE} does not match the SHA-256 it carries")
    if bundle.get("format") != FORMAT or bundle.get("format_version") != FORMAT_VERSION:
        raise _damaged(
            folder,
            f"format must be {FORMAT!r} version {FORMAT_VERSION}; "
            f"found {bundle.get('format')!r} version {bundle.get('format_version')!r}",
        )
    kind, files = bundle.get("model_kind"), bundle.get("files")
    if kind not in _MODEL_FILES or not isinstance(files, dict):
        raise _damaged(folder, f"model_kind must be one of {', '.join(_MODEL_FILES)}; found {kind!r}")
    expected = {*_ALWAYS, *_MODEL_FILES[kind]}
    if kind == "average":
        # an average of several trees has more texts: without a hole, whatever else is named is unexpected below
        expected |= {text for j, text in enumerate(MODEL_TEXTS) if set(MODEL_TEXTS[: j + 1]) <= set(files)}
    if set(files) != expected or set(found) != {*expected, BUNDLE_FILE}:
        odd = sorted(set(found) ^ {*expected, BUNDLE_FILE}) or sorted(set(files) ^ expected)
        raise _damaged(folder, f"it must hold exactly {', '.join(sorted(expected))}; unexpected or missing: {odd[:5]}")
    contents = {name: _read(folder, name) for name in sorted(expected)}
    for name, content in contents.items():
        if _sha(content) != files[name]:
            raise _damaged(folder, f"{name} must have SHA-256 {files[name]}; found {_sha(content)}")
    return _Files(contents, bundle)


def trial_load(folder: Path, *, sha256: str | None = None) -> None:
    """Check the hashes, then load and try every LightGBM text in a child process; return if all went well.

    Raises
    ------
    DamagedArtefact
        If a hash does not match, or the child was ended by the model text.
    """
    _trial(folder, _read_checked(folder, sha256).contents)


def _limit_child() -> None:  # pragma: no cover - runs between fork and exec
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (_TRIAL_SECONDS, _TRIAL_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (16 * 2**30, 16 * 2**30))


def _trial(folder: Path, contents: Mapping[str, bytes]) -> None:
    for name in MODEL_TEXTS:
        if name in contents and _sha(contents[name]) not in _tried:
            _try_text(folder, name, contents[name])
            _tried.add(_sha(contents[name]))


def _try_text(folder: Path, name: str, text: bytes) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    try:
        child = subprocess.run(
            [sys.executable, "-I", "-c", _CHILD],
            input=text,
            capture_output=True,
            timeout=_TRIAL_SECONDS,
            env={**environment, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            preexec_fn=_limit_child if os.name == "posix" else None,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _damaged(folder, f"{name} did not load within {_TRIAL_SECONDS} seconds in a trial process") from error
    if child.returncode != 0 or b"\nloaded " not in child.stdout:
        raise _damaged(folder, f"{name} ended the trial process that loaded it (status {child.returncode})")


def load_bundle(folder: Path, *, sha256: str | None = None, trial: bool = True) -> Model:
    """Return the model of a bundle, after its files have been found whole.

    Parameters
    ----------
    folder : pathlib.Path
        The bundle.
    sha256 : str, optional
        What ``bundle.json`` must hash to; give it whenever the registry knows it.
    trial : bool
        Load a LightGBM text that this process has not seen in a child process first.

    Raises
    ------
    DamagedArtefact
        If anything is missing, added, a link, changed, or not what the bundle says it is.
    """
    files = _read_checked(folder, sha256)
    if trial:
        _trial(folder, files.contents)
    try:
        model = _assemble(folder, files)
    except (KeyError, TypeError, ValueError, AttributeError, UnicodeDecodeError, OverflowError) as error:
        raise _damaged(folder, f"its files do not fit together: {type(error).__name__} {error}") from error
    _check_sense(folder, model, files.bundle)
    return model


def read_meta(folder: Path, *, sha256: str | None = None) -> dict[str, Any]:
    """Return what ``bundle.json`` says (hash-checked), with the caller's values under ``meta``."""
    return dict(_read_checked(folder, sha256).bundle)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"expected a finite number, found {value!r}")
    return float(value)


def _exact(value: Mapping[str, Any], keys: set[str]) -> Mapping[str, Any]:
    if not isinstance(value, dict) or set(value) != keys:
        raise ValueError(f"expected exactly the keys {sorted(keys)}")
    return value


def _contract(value: Mapping[str, Any]) -> ColumnContract:
    columns = []
    for entry in _exact(value, {"features"})["features"]:
        _exact(entry, {"id", "kind", "dtype", "levels"})
        if entry["kind"] not in ("number", "category") or not isinstance(entry["id"], str):
            raise ValueError(f"unknown kind of feature {entry['kind']!r}")
        if not all(isinstance(level, str) for level in entry["levels"]):
            raise ValueError("levels must be text")
        columns.append(Column(entry["id"], entry["kind"], tuple(entry["levels"])))
    if len({column.id for column in columns}) != len(columns):
        raise ValueError("a feature stands twice")
    return ColumnContract(tuple(columns))


def _scorer(value: Mapping[str, Any], texts: Mapping[str, str]) -> Scorer:
    kind = value["kind"]
    if kind == "logistic":
        _exact(value, {"kind", "intercept", "terms"})
        keys = {field.name for field in fields(Term)}
        terms = [
            Term(**{k: v if k == "feature" else _number(v) for k, v in _exact(term, keys).items()})  # type: ignore[arg-type]
            for term in value["terms"]
        ]
        if any(term.sd <= 0 or term.low > term.high or not isinstance(term.feature, str) for term in terms):
            raise ValueError("a term's constants are impossible")
        return Logistic(_number(value["intercept"]), tuple(terms))
    if kind == "rule":
        if value.get("name") in COLUMN_RULES:
            return column_rule_from_json(value)
        if value.get("name") == POINTS:
            return points_rule_from_json(value)
        _exact(value, {"kind", "name", "constants"})
        if value["name"] not in RULES:
            raise ValueError(f"unknown rule {value['name']!r}")
        constants = _exact(value["constants"], set(rule_constants(value["name"])))
        numbers = {key: _number(number) for key, number in constants.items()}
        if any(number <= 0 for key, number in numbers.items() if key != "typical"):
            raise ValueError("a rule's constants must be positive")
        return Rule(value["name"], numbers)
    if kind == "average":
        members = _exact(value, {"kind", "members"})["members"]
        if not members or any(member["kind"] == "average" for member in members):
            raise ValueError("an average needs members that are no averages")
        named = [member["file"] for member in members if member["kind"] == "lightgbm"]
        if named != list(texts):
            raise ValueError(f"an average must use each of its texts once and in order, it names {named}")
        return Average(tuple(_scorer(member, texts) for member in members))
    if kind == "lightgbm" and _exact(value, {"kind", "file"})["file"] in texts:
        return Boosting(texts[value["file"]])
    raise ValueError(f"unknown kind of model {kind!r}")


def _assemble(folder: Path, files: _Files) -> Model:
    bundle, contents = files.bundle, files.contents
    texts = {name: contents[name].decode("utf-8") for name in MODEL_TEXTS if name in contents}
    stored = (
        _parse(folder, "model.json", contents["model.json"])
        if "model.json" in contents
        else {"kind": "lightgbm", "file": "model.txt"}
    )
    return Model(
        scorer=_scorer(stored, texts),
        contract=_contract(_parse(folder, "features.json", contents["features.json"])),
        calibration=calibration_from_json(_parse(folder, "calibration.json", contents["calibration.json"])),
        label=Label.from_json(bundle["label"]),
        train_as_of=dt.date.fromisoformat(bundle["train_as_of"]),
        declared=_declared(bundle.get("declared", [])),
    )


def _declared(values: Any) -> tuple[AnyFeature, ...]:
    try:
        return tuple(from_json(value) for value in values)
    except UsageError as error:
        raise ValueError(str(error)) from None


def _check_sense(folder: Path, model: Model, bundle: Mapping[str, Any]) -> None:
    claims = [
        (model.kind == bundle["model_kind"], f"model_kind says {bundle['model_kind']}, the model is {model.kind}"),
        (
            model.label.target in _TARGETS,
            f"label target must be one of {', '.join(_TARGETS)}; found {model.label.target!r}",
        ),
        (bundle.get("feature_count") == len(model.contract.columns), "feature_count differs from features.json"),
        (
            set(model.scorer.needs) == set(model.contract.ids),
            f"the model reads {len(model.scorer.needs)} features, features.json names {len(model.contract.ids)}, "
            f"differing in {sorted(set(model.scorer.needs) ^ set(model.contract.ids))[:5]}",
        ),
        (
            all(m.needs == model.contract.ids for m in _boosters(model.scorer)),
            "the columns of the model's texts must stand in the order of features.json",
        ),
    ]
    wrong = [what for holds, what in claims if not holds]
    if wrong:
        raise _damaged(folder, "; ".join(wrong))


def _boosters(scorer: Scorer) -> list[Boosting]:
    if isinstance(scorer, Average):
        return [booster for member in scorer.members for booster in _boosters(member)]
    return [scorer] if isinstance(scorer, Boosting) else []
