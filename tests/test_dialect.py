"""The package speaks one dialect, where ruff cannot hear it: names, docstrings, errors, American spelling.

``python tests/test_dialect.py [ROOM ...]`` prints what falls short, for some rooms or for all.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "fa_pyg").rglob("*.py"))]
PROSE = [
    str(path.relative_to(ROOT))
    for folder in ("docs", "examples", "benchmarks", "scripts", "configs", "tests")
    for path in [ROOT / "README.md", *sorted((ROOT / folder).rglob("*.*"))]
    if path.suffix in (".md", ".py", ".yaml") and path != Path(__file__).resolve()
]
BRITISH = re.compile(
    r"\w*(?:centre|centring|colour|neighbour|behaviour|favour|honour|judgement|learnt|metres?\b|\bgrey|licence"
    r"|artefact|(?:optim|normal|general|initial|minim|maxim|regular|random|symmetr|synchron|organ|recogn|summar"
    r"|serial|parametr|discret|vector|canonical|individual|util|visual|orthogonal|diagonal|local|quant)"
    r"is(?:e|ing|ation))\w*",
    re.I,
)
# Public names of the old spelling: a class, and cases of the catalogue of clouds.
KEPT = re.compile(
    r'GeneralisedQRFrame|centred = centered|"[^"]*coloured"|"[^"]* colours?"|\bcoloured(?=[:=])'
    r"|^\| [a-z ]+, coloured|\binitialisations(?==)|\x22(?:--)?initialisations"
)
# A docstring begins with a noun phrase or an imperative.
BEGINS = re.compile(
    r"(?:What|Who|Where|When|How|Of|If|Adds|Asserts|Builds|Calls|Checks|Collects|Computes|Divides|Draws|Finds|Gets"
    r"|Gives|Goes|Keeps|Leaves|Lets|Loads|Makes|Opens|Puts|Raises|Reads|Refuses|Removes|Returns|Runs|Saves|Says"
    r"|Sends|Shows|Sums|Takes|Tells|Turns|Warns|Wraps|Writes|Yields)\b"
)
ERROR = re.compile(r".+: .*(?:expected|found)", re.S)  # name: expected E, found F
# Reasons that become a part of another error.
REASONS = ("fa_pyg/datasets/xtb/",)


def text_of(node: ast.AST) -> str:
    """Return the text of a string expression, with an ellipsis for each value in it."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(map(text_of, node.values))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return text_of(node.left) + text_of(node.right)
    return "…"


def docstrings(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        is_documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        text, line = (ast.get_docstring(node) if is_documented else None) or "", getattr(node, "lineno", 1)
        if BEGINS.match(text):
            yield f"{line}: expected a noun phrase or an imperative, found {text.split()[0]!r}"
        if "`" in re.sub(r"``.*?``|:\w+:`[^`]*`", "", text, flags=re.S):
            yield f"{line}: expected double backticks"


def names(tree: ast.Module, is_room: bool) -> Iterator[str]:
    defined = [node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    bound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} | set(defined)
    bound |= {
        alias.asname or alias.name
        for n in ast.walk(tree)
        if isinstance(n, ast.ImportFrom)
        for alias in n.names
    }
    listed = next((ast.literal_eval(node.value) for node in tree.body if is_list_of_names(node)), None)
    if listed is None:
        if not is_room:
            yield "1: expected __all__"
        return
    if unbound := set(listed) - bound:
        yield f"1: expected __all__ of names that exist, found {unbound}"
    if hidden := [name for name in defined if name not in listed and name[0] != "_"]:
        yield f"1: expected in __all__, or with an underscore: {', '.join(hidden)}"


def is_list_of_names(node: ast.AST) -> bool:
    return isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"


def imports(tree: ast.Module, module: str) -> Iterator[str]:
    room = module.split("/")[1]
    if re.search(r"/_(?!_)", module):
        yield "1: expected a module without an underscore"
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    for node in froms:
        path = (node.module or "").split(".")
        if path[0] == "fa_pyg" and path[1:2] != [room.removesuffix(".py")]:
            yield from (
                f"{node.lineno}: expected public names of other rooms, found {alias.name}"
                for alias in node.names
                if re.match(r"_(?!_)", alias.name)
            )


def errors(tree: ast.Module, module: str) -> Iterator[str]:
    for node in ast.walk(tree):
        raised = node.exc if isinstance(node, ast.Raise) else None
        if isinstance(raised, ast.Call) and getattr(raised.func, "id", "") == "ValueError" and raised.args:
            text = text_of(raised.args[0])
            if text.strip("…") and not ERROR.match(text) and not module.startswith(REASONS):
                yield f"{node.lineno}: expected an error `name: expected E, found F`, found {text!r}"


def spelling(source: str) -> Iterator[str]:
    for number, line in enumerate(source.splitlines(), 1):
        yield from (f"{number}: British {word}" for word in BRITISH.findall(KEPT.sub("", line)))


def faults(file: str, source: str) -> list[str]:
    """Return what falls short in a file, each with its line."""
    found = list(spelling(source))
    if file.startswith("fa_pyg/"):
        tree = ast.parse(source)
        found += [*docstrings(tree), *names(tree, file.endswith("__init__.py"))]
        found += [*imports(tree, file), *errors(tree, file)]
    return found


@pytest.mark.parametrize("file", [*MODULES, *dict.fromkeys(PROSE)])
def test_dialect(file):
    assert faults(file, (ROOT / file).read_text(encoding="utf-8")) == []


GOOD = (
    '"""A sum."""\nfrom __future__ import annotations\n__all__ = ["add"]\ndef add(x):\n    """Return x."""\n'
)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("A sum.", "What is summed."),
        ("Return x", "Returns x"),
        ("Return x", "Return `x`"),
        ("A sum", "A neighbour"),
        ('__all__ = ["add"]', ""),
        ('"add"', '"add", "Sum"'),
        ("(x):\n", "(x):\n    raise ValueError('no x')\n"),
        ("import annotations", "import annotations\nfrom fa_pyg.frames.base import _hidden"),
        ("def add", "def other(): ...\ndef add"),
    ],
)
def test_a_fault_is_found(old, new):
    assert faults("fa_pyg/math/sums.py", GOOD) == []
    assert faults("fa_pyg/math/sums.py", GOOD.replace(old, new)) != []


if __name__ == "__main__":
    for file in [*MODULES, *dict.fromkeys(PROSE)]:
        if not sys.argv[1:] or any(file.startswith((f"fa_pyg/{room}", room)) for room in sys.argv[1:]):
            for fault in faults(file, (ROOT / file).read_text(encoding="utf-8")):
                print(f"{file}:{fault}")
