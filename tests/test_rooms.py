"""Imports between the rooms of the package go down only; heavy packages are imported where they are used."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "fa_pyg"
FILES = [str(path.relative_to(PACKAGE)) for path in sorted(PACKAGE.rglob("*.py"))]

# Each room sees the floors below its own; docs/architecture.md says what each is for.
FLOORS = (
    "moved",
    "renamed",
    "lazy",
    "environment",
    "progress",
    "memory",
    "checks",
    "files",
    "options",
    "workers",
    "reps",
    "typed",
    "groups",
    "math",
    "batches",
    "canonical",
    "frames",
    "builders",
    "calls",
    "copies",
    "neighbors",
    "nn",
    "models",
    "separation",
    "config",
    "trained",
    "plot",
    "potential",
    "train",
    "ase",
    "dynamics",
    "cli",
)
SEES = {room: FLOORS[:floor] for floor, room in enumerate(FLOORS)}
SEES["neighbors"] = ("checks", "batches")
SEES["io"] = ("checks", "files", "workers")
SEES["cad"] = ("checks", "files", "workers", "progress")  # no torch
SEES["datasets"] = (
    "checks",
    "files",
    "workers",
    "progress",
    "cad",
    "neighbors",
    "io",
    "loader",
)  # nothing of frames
SEES["loader"] = ("checks",)
SEES["transforms"] = FLOORS[: FLOORS.index("nn")]
SEES["testing"] = (*FLOORS[: FLOORS.index("models")], "separation", "io")
SEES["plot"] = FLOORS[: FLOORS.index("nn")]
SEES["potential"] += ("io",)
SEES["train"] += ("datasets", "io", "loader", "transforms", "testing")
SEES["dynamics"] += ("datasets", "io")
SEES["cli"] += ("__version__", "cad", "datasets", "io", "testing")
SEES["__main__"] = ("cli",)
SEES["__init__"] = (*FLOORS[: FLOORS.index("train")], "datasets", "io", "transforms", "testing")

TRAIN_ONLY = {"lightning", "pytorch_lightning", "jsonargparse", "tensorboard", "torchmetrics"}
IN_FUNCTIONS_ONLY = {
    "ase",
    "e3nn",
    "hypothesis",
    "matplotlib",
    "pytest",
    "rdkit",
    "scipy",
    "tblite",
    "trimesh",
    "vesin",
}


def imports(node: ast.AST, package: list[str], lazy: bool = False) -> Iterator[tuple[int, str, bool]]:
    """Yields the line and full name of each import below ``node``, and whether it waits for a call."""
    if isinstance(node, ast.Import):
        yield from ((node.lineno, alias.name, lazy) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = package[: len(package) + 1 - node.level] if node.level else []
        module = [*base, *([node.module] if node.module else [])]
        yield from ((node.lineno, ".".join([*module, alias.name]), lazy) for alias in node.names)
    for child in ast.iter_child_nodes(node):
        yield from imports(child, package, lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def fault(room: str, name: str, lazy: bool) -> str | None:
    """Why ``room`` must not import ``name``; None where it may."""
    top, _, rest = name.partition(".")
    if top == "fa_pyg":
        seen = any(rest == target or rest.startswith(f"{target}.") for target in (room, *SEES[room]))
        return None if seen else f"{room} is not above {name}"
    if top in TRAIN_ONLY and room != "train":
        return f"{top} belongs to fa_pyg.train"
    return f"{top} must be imported where it is used" if top in IN_FUNCTIONS_ONLY and not lazy else None


def faults(file: str, source: str) -> list[str]:
    """Returns the imports of a file (its path below the package, and its text) that break the order."""
    parts = Path(file).with_suffix("").parts
    if parts[0] not in SEES:
        return [f"{file}: the room {parts[0]!r} has no floor yet: give it one in {Path(__file__).name}"]
    found = imports(ast.parse(source), ["fa_pyg", *parts[:-1]])
    reasons = ((line, fault(parts[0], name, lazy)) for line, name, lazy in found)
    return [f"fa_pyg/{file}:{line}: {reason}" for line, reason in reasons if reason]


@pytest.mark.parametrize("file", FILES)
def test_imports_go_down(file):
    assert faults(file, (PACKAGE / file).read_text()) == []


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("frames.py", "from fa_pyg.nn import FrameAveraging"),
        ("frames.py", "import fa_pyg.builders.pca"),
        ("frames.py", "from .builders import PCAFrame"),
        ("frames.py", "from . import copies"),
        ("nn/conv.py", "from ..models import FAGNN"),
        ("nn/conv.py", "from fa_pyg import Rep"),  # through the face, which imports this very room
        ("nn/conv.py", "import fa_pyg"),
        ("datasets/nbody.py", "def f():\n    from fa_pyg.frames import Frames"),
        ("datasets/nbody.py", "from fa_pyg.nn import FrameAveraging"),
        ("transforms/pose.py", "from fa_pyg.datasets import NBody"),
        ("__init__.py", "def __getattr__(name):\n    from fa_pyg.train import cli"),
        ("models/fagnn.py", "def f():\n    from lightning.pytorch import Trainer"),
        ("potential/saved.py", "def f():\n    from fa_pyg.train import load_best"),
        ("potential/saved.py", "import jsonargparse"),
        ("config/check.py", "from fa_pyg.potential import load"),
        ("datasets/xyz.py", "try:\n    import ase.io\nexcept ImportError:\n    pass"),
        ("testing.py", "class A:\n    import pytest"),
        ("attic/old.py", "import math"),
    ],
)
def test_a_wrong_import_is_found(file, source):
    assert len(faults(file, source)) == 1


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("nn/conv.py", "import torch\nfrom fa_pyg.reps import Rep\nfrom .averaging import FrameAveraging"),
        ("nn/conv.py", "from .. import frames\nfrom ..builders import PCAFrame"),
        ("nn/__init__.py", "from . import conv\nfrom fa_pyg.nn.conv import FAConv"),
        (
            "datasets/xyz.py",
            "def f():\n    import ase.io\n    from fa_pyg.neighbors import edges",
        ),
        ("train/cli.py", "from lightning.pytorch import Trainer\nfrom fa_pyg.datasets import NBody"),
    ],
)
def test_a_right_import_is_not(file, source):
    assert faults(file, source) == []
