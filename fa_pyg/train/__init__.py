"""Training: Lightning modules, data modules, callbacks, command lines; only this room needs Lightning."""

from __future__ import annotations

from fa_pyg import checks

with checks.from_extra("fa_pyg.train", "train"):
    from fa_pyg.train.cli import FitCLI
    from fa_pyg.train.ema import EMA
    from fa_pyg.train.fit import FitModule
    from fa_pyg.train.run import load_best, main
    from fa_pyg.train.seeds import EpochSeed
    from fa_pyg.train.tasks.clouds_data import CloudsData
    from fa_pyg.train.tasks.graphs import GraphCLI, GraphData, GraphModule
    from fa_pyg.train.tasks.molecules import MoleculeCLI, MoleculeModule
    from fa_pyg.train.tasks.molecules_data import MoleculeData
    from fa_pyg.train.tasks.nbody import NBodyCLI, NBodyData, NBodyModule
    from fa_pyg.train.tasks.normals import ClassesCLI, ClassesModule, NormalsCLI, NormalsModule

__all__ = [
    "EMA",
    "ClassesCLI",
    "ClassesModule",
    "CloudsData",
    "EpochSeed",
    "FitCLI",
    "FitModule",
    "GraphCLI",
    "GraphData",
    "GraphModule",
    "MoleculeCLI",
    "MoleculeData",
    "MoleculeModule",
    "NBodyCLI",
    "NBodyData",
    "NBodyModule",
    "NormalsCLI",
    "NormalsModule",
    "load_best",
    "main",
]
