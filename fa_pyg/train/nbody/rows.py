"""Rows of the n-body table: a configuration file each, with its title and published figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fa_pyg.config.plain import read
from fa_pyg.train.benchmark.recipes import HasPath, Recipe, find, section

__all__ = ["CITED", "KINDS", "ROWS", "Recipe", "Row", "data_settings", "find_rows"]

BASELINE, SYMMETRIES, HYBRID, OTHER = (
    "published baselines",
    "architecture only (nothing of the law built in but its symmetries)",
    "hybrid (the law built in)",
    "others",
)
KINDS = (BASELINE, SYMMETRIES, HYBRID, OTHER)


@dataclass(frozen=True)
class Row(HasPath):
    """One model of the table.

    Attributes:
        name: of its configuration file, without the suffix.
        title: in the table.
        kind: one of :data:`KINDS`, by which the table is grouped.
        published: test MSE of 3000 training systems with 5 particles.
        forward: published seconds of the forward pass of a batch of 100.
        source: of the published figures.
        path: the configuration file; None in :data:`ROWS`.
        short: whether the short table has it, too.
    """

    name: str
    title: str
    kind: str = OTHER
    published: float | None = None
    forward: float | None = None
    source: str = ""
    path: Path | None = None
    short: bool = False


PUNY = "Puny et al. 2022"
ROWS = (  # one line each; rows without a file are left out
    Row("linear", "Linear", BASELINE, 0.0819, 0.0001, PUNY),
    Row("se3_transformer", "SE(3)-Transformer", BASELINE, 0.0244, 0.1346, PUNY),
    Row("se3_transformer_fair", "SE(3)-Transformer, fair", BASELINE),
    Row("tfn", "TFN", BASELINE, 0.0155, 0.0343, PUNY),
    Row("mpnn", "GNN", BASELINE, 0.0107, 0.0032, PUNY),
    Row("radial_field", "Radial Field", BASELINE, 0.0104, 0.0039, PUNY),
    Row("egnn", "EGNN", BASELINE, 0.0071, 0.0062, PUNY, short=True),
    Row("segnn", "SEGNN", BASELINE, 0.0043, None, "README of PONITA", short=True),
    Row("fa_gnn", "FA-GNN", BASELINE, 0.0057, 0.0041, PUNY, short=True),
    Row("gnn", "our GNN, without frames", SYMMETRIES, short=True),
    Row("fa_gnn_haar", "our GNN in random motions; 8 frames", SYMMETRIES),
    Row("fa_gnn_haar_scaled", "our GNN in random motions and scales; 8 frames", SYMMETRIES, short=True),
    Row("fa_galilean", "Galilean GNN in random motions and scales; 8 frames", SYMMETRIES),
    Row("fa_kinematic", "Galilean GNN, 2 layers, in random motions and scales; weighted frames", SYMMETRIES),
    Row(
        "fa_kinematic_light",
        "Galilean GNN, 1 layer of 48 features, in random motions and scales; weighted frames",
        SYMMETRIES,
        short=True,
    ),
    Row("two_body_equivariant", "two-body motions, exact, without learning", HYBRID),
    Row("two_body", "two-body motions, forces limited as by the generator", HYBRID),
    Row("pair_force_equivariant", "integrator, learned pair force", HYBRID, short=True),
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
    return find(names, folder, ROWS, lambda name: Row(name, name))


def data_settings(row: Row) -> dict[str, Any]:
    """Return the settings of the data in the configuration of a row."""
    return section(read(row.file), "data", row.file)
