"""The scripts on a trained model: predictions, dynamics, and the smallest table of the separation."""

from __future__ import annotations

import json
import os
import runpy
import sys
import tempfile
from pathlib import Path

import yaml

import fa_pyg
from hashed import Cases
from hashed.training import CANONICAL, DEGREE, GIN, MOLECULES, labelled_xyz, made, run, silent

__all__ = ["cases"]

SIZES = {"hidden": 8, "num_layers": 2, "out_channels": 10}
ROW = {
    "title": "a row",
    "graph8c": {
        "model": made(
            "fa_pyg.FrameAveraging",
            model=made("fa_pyg.models.GIN", in_channels=2, ids=8, **SIZES),
            frame=CANONICAL,
        ),
        "transforms": [DEGREE],
    },
    "exp": {"model": made("fa_pyg.models.GIN", in_channels=3, **SIZES), "transforms": [DEGREE]},
    "exp_classify": {"model": {"model": GIN}, "data": {"transforms": [DEGREE], "batch_size": 4}},
}
DATASET = {**made("fa_pyg.datasets.XYZ", root_or_files="all.xyz"), "dict_kwargs": {"targets": ["energy"]}}
TRAINED = "runs/molecules/version_0"
COMMANDS = f"""
predict_molecules {TRAINED}/best.ckpt few.xyz -o said.xyz --batch_size=4
predict_molecules {TRAINED} few.xyz -o smooth.xyz --dtype=float64 --frame=dynamics
run_dynamics {TRAINED} -o moved --picoseconds=0.002 --every=2 --temperature=50
separate_graphs --quick --data exp-like --root data --out table --config row.yaml
"""


def script(name: str, *arguments: str) -> None:
    """Run a script of the checkout that is imported."""
    before, sys.argv = sys.argv, [name, *arguments]
    path = Path(fa_pyg.__file__).parents[1] / "scripts" / f"{name}.py"
    try:
        with silent():
            runpy.run_path(str(path), run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise ValueError(f"{name} ended with {end.code}") from end
    finally:
        sys.argv = before


def all_of_them() -> list:
    """What the scripts write."""
    Path("all.xyz").write_text(labelled_xyz())
    Path("few.xyz").write_text(labelled_xyz(9))
    Path("row.yaml").write_text(yaml.safe_dump(ROW))
    run("molecules", MOLECULES["forces"], {"dataset": DATASET, "val": 8, "test": 8, "batch_size": 8}, "runs")
    for command in COMMANDS.strip().splitlines():
        script(*command.split())
    found: list = [Path(file).read_text() for file in ("said.xyz", "smooth.xyz")]
    found += [path.read_text() for path in sorted(Path("moved").rglob("*.xyz"))]
    parts = [json.loads(path.read_text()) for path in sorted(Path("table").rglob("parts/*.json"))]
    return [*found, [{k: v for k, v in one.items() if k not in ("seconds", "folder")} for one in parts]]


def elsewhere() -> list:
    here = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            return all_of_them()
        finally:
            os.chdir(here)


def cases() -> Cases:
    """Yield the cases of this file."""
    yield "scripts", elsewhere
