"""Rows of the n-body table: a configuration file each, with its title and published figures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fa_pyg import checks
from fa_pyg.config.old_names import with_old_settings
from fa_pyg.config.plain import read
from fa_pyg.train.nbody.runs import NAME

__all__ = ["CITED", "KINDS", "ROWS", "Recipe", "Row", "data_settings", "find_rows"]

BASELINE, SYMMETRIES, HYBRID, OTHER = (
    "published baselines",
    "architecture only (nothing of the law built in but its symmetries)",
    "hybrid (the law built in)",
    "others",
)
KINDS = (BASELINE, SYMMETRIES, HYBRID, OTHER)


@dataclass(frozen=True)
class Row:
    """One model of the table.

    Attributes:
        name: of its configuration file, without the suffix.
        title: in the table.
        kind: one of :data:`KINDS`, by which the table is grouped.
        published: test MSE of 3000 training systems with 5 particles.
        forward: published seconds of the forward pass of a batch of 100.
        source: of the published figures.
        path: the configuration file; None in :data:`ROWS`.
    """

    name: str
    title: str
    kind: str = OTHER
    published: float | None = None
    forward: float | None = None
    source: str = ""
    path: Path | None = None


PUNY = "Puny et al. 2022"
ROWS = (  # one line each; rows without a file are left out
    Row("linear", "Linear", BASELINE, 0.0819, 0.0001, PUNY),
    Row("se3_transformer", "SE(3)-Transformer", BASELINE, 0.0244, 0.1346, PUNY),
    Row("se3_transformer_fair", "SE(3)-Transformer, fair", BASELINE),
    Row("tfn", "TFN", BASELINE, 0.0155, 0.0343, PUNY),
    Row("mpnn", "GNN", BASELINE, 0.0107, 0.0032, PUNY),
    Row("radial_field", "Radial Field", BASELINE, 0.0104, 0.0039, PUNY),
    Row("egnn", "EGNN", BASELINE, 0.0071, 0.0062, PUNY),
    Row("segnn", "SEGNN", BASELINE, 0.0043, None, "README of PONITA"),
    Row("fa_gnn", "FA-GNN", BASELINE, 0.0057, 0.0041, PUNY),
    Row("gnn", "our GNN, without frames", SYMMETRIES),
    Row("fa_gnn_haar", "our GNN in random motions; 8 frames", SYMMETRIES),
    Row("fa_gnn_haar_scaled", "our GNN in random motions and scales; 8 frames", SYMMETRIES),
    Row("fa_galilean", "Galilean GNN in random motions and scales; 8 frames", SYMMETRIES),
    Row("fa_kinematic", "Galilean GNN, 2 layers, in random motions and scales; weighted frames", SYMMETRIES),
    Row("two_body_equivariant", "two-body motions, exact, without learning", HYBRID),
    Row("two_body", "two-body motions, forces limited as by the generator", HYBRID),
    Row("pair_force_equivariant", "integrator, learned pair force", HYBRID),
    Row("pair_force", "integrator, learned pair force, forces limited as by the generator", HYBRID),
)
# Figures without a row: (model, training systems, test MSE, source).
CITED = (
    ("MVN", 3000, 0.0035, "arXiv 2406.04052"),
    ("FEFE-CGENN", 3000, 0.0037, "johanslettengren/Research-Projects"),
    ("CGENN", 3000, 0.0039, "johanslettengren/Research-Projects"),
    ("PONITA", 3000, 0.0043, "README of PONITA"),
    ("SEGNO", 3000, 0.0043, "its page, on other data of the same law"),
    ("GeoMFormer", 3000, 0.0047, "its repository"),
    ("FEFE-CGENN", 256, 0.0088, "johanslettengren/Research-Projects"),
    ("CGENN", 256, 0.0131, "johanslettengren/Research-Projects"),
)


def find_rows(names: Sequence[str] | None, folder: Path) -> list[Row]:
    """Return rows by name, in the order of the table; by default all that have a configuration.

    A configuration of the folder, or any YAML file by its path, that is not in :data:`ROWS` becomes a row
    under its own name.

    Raises:
        ValueError: for a name without a configuration or unfit for the record, and for two files of one name.
    """
    known = {row.name: replace(row, path=folder / f"{row.name}.yaml") for row in ROWS}
    known = {name: row for name, row in known.items() if row.path.is_file()}
    if names is None:
        return list(known.values())
    found: dict[str, Row] = {}
    for path in [_path(name, folder) for name in names]:
        row = replace(known.get(path.stem, Row(path.stem, path.stem)), path=path)
        if found.setdefault(row.name, row).path.resolve() != path.resolve():
            checks.refuse("--rows", f"one file of the name {row.name}", str(path))
    order = [*known, *found]
    return sorted(found.values(), key=lambda row: order.index(row.name))


def _path(name: str, folder: Path) -> Path:
    """Return the configuration file of a name, or of its own path."""
    is_file = name.endswith((".yaml", ".yml"))
    path = Path(name) if is_file else folder / f"{name}.yaml"
    if not path.is_file() or not (is_file or Path(name).name == name):
        there = ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))
        checks.refuse("--rows", f"YAML files, or some of {there}", name)
    if not NAME.fullmatch(path.stem):  # the record of the run could not be read
        checks.refuse("--rows", "names of ASCII letters, digits and _.+-, the first a letter or digit", name)
    return path


@dataclass(frozen=True)
class Recipe:
    """Length of the training of a row, and the digest of its other settings.

    Attributes:
        epochs: of training; 0 for a model without learning, which is only evaluated.
        every: epochs between two validations.
        schedule: of the learning rate; None for a constant one.
        digest: of the other settings.
    """

    epochs: int
    every: int
    schedule: str | None
    digest: str

    @classmethod
    def read(cls, row: Row) -> Recipe:
        """Read the recipe of a row.

        Raises:
            ValueError: naming the file, for one that is not a configuration with a number of epochs.
        """
        settings = read(row.path)
        trainer, model = (_section(settings, name, row.path) for name in ("trainer", "model"))
        epochs = checks.integer(f"{row.path}: trainer.max_epochs", trainer.get("max_epochs"), 0)
        every = checks.integer(
            f"{row.path}: trainer.check_val_every_n_epoch", trainer.get("check_val_every_n_epoch", 1)
        )
        return cls(epochs, every, model.get("schedule"), _digest(settings))


def data_settings(row: Row) -> dict[str, Any]:
    """Return the settings of the data in the configuration of a row."""
    return _section(read(row.path), "data", row.path)


def _section(settings: dict[str, Any], name: str, path: Path | None) -> dict[str, Any]:
    found = settings.get(name, {})
    return checks.instance(f"{path}: {name}", found, dict, "settings by their names")


def _digest(settings: dict[str, Any]) -> str:
    """Return eight digits that differ for other settings, whatever the number of epochs."""
    trainer = {key: value for key, value in settings.get("trainer", {}).items() if key != "max_epochs"}
    fixed = with_old_settings({key: value for key, value in settings.items() if key != "name"})
    text = json.dumps(fixed | {"trainer": trainer}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
