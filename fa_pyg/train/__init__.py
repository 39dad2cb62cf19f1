"""Lightning modules, data modules and callbacks; the only part of the package that imports lightning."""

from fa_pyg.train.cli import FitCLI, GraphCLI, NBodyCLI, load_best, main
from fa_pyg.train.data import NBodyData
from fa_pyg.train.ema import EMA
from fa_pyg.train.fit import FitModule
from fa_pyg.train.seeds import EpochSeed
from fa_pyg.train.tasks.graphs import GraphData, GraphModule
from fa_pyg.train.tasks.molecules import MoleculeCLI, MoleculeModule
from fa_pyg.train.tasks.molecules_data import MoleculeData
from fa_pyg.train.tasks.nbody import NBodyModule

__all__ = [
    "EMA",
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
    "load_best",
    "main",
]
