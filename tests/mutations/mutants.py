"""Makes the mutants of functions: one small change of the text of a body each.

A comparison becomes each of the five others, an arithmetic operator another one, a number one more and one less.
and/or, min/max, any/all, break/continue, True/False and += / -= change places. A condition is negated, a sign or a
`not` falls away, a loop has no turns, a statement is left out.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "crm_ml"

COMPARED: dict[type[ast.cmpop], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip
OPPOSITE: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.In: ("in", "not in"), ast.NotIn: ("not in", "in"), ast.Is: ("is", "is not"), ast.IsNot: ("is not", "is"),
}  # fmt: skip
CALCULATED: dict[type[ast.operator], tuple[str, tuple[str, ...]]] = {
    ast.Add: ("+", ("-", "*")),
    ast.Sub: ("-", ("+", "*")),
    ast.Mult: ("*", ("+", "//")),
    ast.Div: ("/", ("*", "//")),
    ast.FloorDiv: ("//", ("*", "%")),
    ast.Mod: ("%", ("*",)),
    ast.LShift: ("<<", (">>",)),
    ast.RShift: (">>", ("<<",)),
    ast.BitAnd: ("&", ("|",)),
    ast.BitOr: ("|", ("&",)),
}
SWAPPED = {"min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum", "any": "all", "all": "any"}
SIMPLE = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr, ast.Return, ast.Break, ast.Continue, ast.Raise)

Place = tuple[int, int]
Change = tuple[Place, Place, str]
"""Where a change begins and ends (line from 1, byte of the line), and the new text."""


@dataclass(frozen=True)
class Mutant:
    """One change of one function.

    `line` is what the source says (all lines that the change touches), `mutant` what stands there instead, both on one
    line without indentation; `nth` counts equal lines of the function, from 0.
    """

    file: str
    function: str
    line: str
    mutant: str
    nth: int
    source: str
    number: int

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        """What names the mutant as long as the line stays as it is."""
        return self.file, self.function, self.line, self.mutant, self.nth


def mutants_of(file: str, functions: tuple[str, ...]) -> list[Mutant]:
    """Return all mutants of functions and methods (``Class.method``) of a file of the package, in order of lines."""
    text = (SOURCE / file).read_text(encoding="utf-8")
    nodes = dict(_functions(ast.parse(text)))
    missing = sorted(set(functions) - set(nodes))
    if missing:
        raise LookupError(f"{file} has no functions {missing}: name what there is in tests/mutations/targets.py")
    return [mutant for name in functions for mutant in _mutants(file, name, nodes[name], text)]


def _functions(module: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in module.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        if isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef):
                    yield f"{node.name}.{inner.name}", inner


def _mutants(file: str, name: str, node: ast.FunctionDef, text: str) -> Iterator[Mutant]:
    lines = text.encode().splitlines(keepends=True)
    known: set[tuple[int, int, str]] = set()
    changes = [change for statement in node.body for part in _nodes(statement) for change in _changes(part, lines)]
    for (first, begin), (last, end), new in sorted(changes):
        old = b"".join(lines[first - 1 : last])
        changed = lines[first - 1][:begin] + new.encode() + lines[last - 1][end:]
        if (first, last, changed.decode()) in known:
            continue
        known.add((first, last, changed.decode()))
        nth = [_plain(line) for line in lines[node.lineno - 1 : first - 1]].count(_plain(old))
        source = b"".join([*lines[: first - 1], changed, *lines[last:]]).decode()
        yield Mutant(file, name, _plain(old), _plain(changed), nth, source, first)


def _nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Return a node and all in it that is computed: no annotations, no texts that stand alone."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    yield node
    for name, value in ast.iter_fields(node):
        if name not in ("annotation", "returns", "decorator_list"):
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, ast.AST):
                    yield from _nodes(each)


def _changes(node: ast.AST, lines: list[bytes]) -> Iterator[Change]:
    if isinstance(node, ast.Compare):
        for left, operator, right in zip([node.left, *node.comparators], node.ops, node.comparators, strict=False):
            if type(operator) in COMPARED:
                old = COMPARED[type(operator)]
                others = [new for new in COMPARED.values() if new != old]
            else:
                old, other = OPPOSITE[type(operator)]
                others = [other]
            yield from _between(left, right, old, others, lines)
    elif isinstance(node, ast.BinOp) and type(node.op) in CALCULATED:
        yield from _between(node.left, node.right, *CALCULATED[type(node.op)], lines)
    elif isinstance(node, ast.AugAssign) and type(node.op) in CALCULATED:
        old, others = CALCULATED[type(node.op)]
        yield from _between(node.target, node.value, f"{old}=", [f"{others[0]}="], lines)
    elif isinstance(node, ast.BoolOp):
        old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in zip(node.values, node.values[1:], strict=False):
            yield from _between(left, right, old, [new], lines)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not | ast.Invert):
        begin, _ = _span(node)
        yield begin, (begin[0], begin[1] + (3 if isinstance(node.op, ast.Not) else 1)), ""
    elif isinstance(node, ast.Constant):
        yield from _other_values(node)
    elif isinstance(node, ast.If | ast.While | ast.IfExp):
        begin, end = _span(node.test)
        yield begin, end, f"not ({_text(begin, end, lines)})"
    elif isinstance(node, ast.For):
        yield (*_span(node.iter), "[]")
    elif isinstance(node, ast.Name) and node.id in SWAPPED:
        yield (*_span(node), SWAPPED[node.id])
    elif isinstance(node, ast.Attribute) and node.attr in SWAPPED:
        _, (line, end) = _span(node)
        yield (line, end - len(node.attr)), (line, end), SWAPPED[node.attr]
    if isinstance(node, ast.Break | ast.Continue):
        yield (*_span(node), "continue" if isinstance(node, ast.Break) else "break")
    if isinstance(node, SIMPLE):
        yield (*_span(node), "pass")


def _other_values(node: ast.Constant) -> Iterator[Change]:
    if isinstance(node.value, bool):
        yield (*_span(node), str(not node.value))
    elif isinstance(node.value, int | float):
        for new in (node.value + 1, node.value - 1):
            yield (*_span(node), str(new))


def _between(left: ast.expr, right: ast.expr, old: str, others: Iterable[str], lines: list[bytes]) -> Iterator[Change]:
    """Replace the operator that stands between two operands; there may be brackets around them."""
    (_, begin), (end, _) = _span(left), _span(right)
    text = _text(begin, end, lines)
    at = text.index(old)
    line = begin[0] + text.count("\n", 0, at)
    byte = at if line == begin[0] else at - text.rindex("\n", 0, at) - 1
    place = line, byte + (begin[1] if line == begin[0] else 0)
    for new in others:
        yield place, (line, place[1] + len(old)), new


def _span(node: ast.expr | ast.stmt) -> tuple[Place, Place]:
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)


def _text(begin: Place, end: Place, lines: list[bytes]) -> str:
    text = b"".join(lines[begin[0] - 1 : end[0]])
    return text[begin[1] : len(text) - len(lines[end[0] - 1]) + end[1]].decode()


def _plain(text: bytes) -> str:
    return re.sub(r"(?<=[(\[]) ", "", " ".join(text.decode().split()))
