"""Old paths of modules: they still work in imports and in saved configurations."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

__all__ = ["MOVED", "install"]

MOVED = {
    "builders.candidates": "builders.weighted.candidates",
    "builders.declared": "calls.declared",
    "builders.moments": "builders.weighted.moments",
    "builders.node_numbers": "calls.graph_indices",
    "builders.orders": "builders.weighted.orders",
    "builders.qr_rows": "builders.qr.rows",
    "builders.read_graphs": "calls.graphs",
    "builders.symmetric": "builders.weighted.symmetric",
    "builders.unsaid": "calls.undeclared",
    "copies.call": "calls.call",
    "copies.collation": "calls.collation",
    "copies.keywords": "calls.keywords",
    "copies.layout": "calls.layout",
    "copies.names": "calls.names",
    "copies.sizes": "batches",
    "datasets.collated": "loader.collated",
    "datasets.disk_loader": "loader.on_disk",
    "datasets.elements": "io.elements",
    "datasets.loader": "loader.in_memory",
    "datasets.xyz_statistics": "datasets.molecule_statistics",
    "eigh": "math.eigh",
    "linalg": "math.linalg",
    "models.adjacency_mlp": "models.graphs.adjacency_mlp",
    "models.baselines": "models.graphs.baselines",
    "models.cell_frames": "models.molecules.cell_frames",
    "models.cells": "models.molecules.cells",
    "models.dense": "models.graphs.dense",
    "models.device": "potential.device",
    "models.faenet": "models.molecules.faenet",
    "models.fagnn": "models.particles.fagnn",
    "models.gin": "models.graphs.gin",
    "models.gnn": "models.particles.gnn",
    "models.gnnml3": "models.graphs.gnnml3",
    "models.lambda_max": "models.graphs.chebnet",
    "models.linear": "models.particles.linear",
    "models.molecule_edges": "models.molecules.edges",
    "models.molecule_heads": "models.molecules.heads",
    "models.molecule_inputs": "models.molecules.inputs",
    "models.nequip": "models.molecules.nequip",
    "models.potential": "models.molecules.potential",
    "models.ppgn": "models.graphs.ppgn",
    "models.readout": "models.graphs.readout",
    "models.references": "models.molecules.references",
    "models.supports": "models.graphs.supports",
    "nn.graph_building": "neighbors.edges",
    "nn.lattice": "neighbors.lattice",
    "nn.neighbor_blocks": "neighbors.blocks",
    "nn.neighbor_points": "neighbors.points",
    "nn.neighbors": "neighbors.search",
    "nn.periodic": "neighbors.periodic",
    "nn.periodic_images": "neighbors.images",
    "numbers": "frames.local_index",
    "permutations": "frames.permutation",
    "polar": "math.polar",
    "projections": "math.projections",
    "slots": "frames.slots",
    "slotted": "frames.base",
    "testing.apart": "testing.leakage",
    "testing.framed_parts": "separation.parts",
    "testing.judged": "testing.output_errors",
    "testing.models": "testing.equivariance",
    "testing.pairs": "separation.pairs",
    "testing.permuted": "testing.node_order",
    "testing.relabelled": "separation.relabelled",
    "testing.separation": "separation.protocol",
    "testing.starts": "testing.degenerate",
    "train.allowlist": "config.allowlist",
    "train.arguments": "train.command_line",
    "train.data": "train.split_data",
    "train.graphs": "train.tasks.graphs",
    "train.load": "potential.saved",
    "train.load_split": "train.tasks.load_split",
    "train.module": "train.tasks.nbody",
    "train.molecules": "train.tasks.molecules",
    "train.molecules_data": "train.tasks.molecules_data",
    "train.nbody.pages": "train.benchmark.pages",
    "train.predict": "potential.predict",
    "train.separation_rows": "train.separation.rows",
    "train.separation_table": "train.separation.table",
    "train.settings": "config.plain",
    "train.targets": "train.tasks.targets",
    "train.trust": "config.check",
}
"""Old and new paths of modules below ``fa_pyg``."""


class _Moved(MetaPathFinder, Loader):
    """Find a module by its old path: the same module object, so that classes are the same."""

    def find_spec(
        self, name: str, path: object = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        root, _, rest = name.partition(".")
        return ModuleSpec(name, self) if root == "fa_pyg" and rest in MOVED else None

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__  # the import system returns the entry of this name
        sys.modules[name] = import_module(f"fa_pyg.{MOVED[name.removeprefix('fa_pyg.')]}")


def install() -> None:
    """Make the old paths importable."""
    if not any(isinstance(finder, _Moved) for finder in sys.meta_path):
        sys.meta_path.append(_Moved())
