"""Lightning modules, data modules and callbacks; the only part of the package that imports lightning."""

from fa_pyg.train.cli import NBodyCLI, load_best, main
from fa_pyg.train.data import NBodyData
from fa_pyg.train.ema import EMA
from fa_pyg.train.module import NBodyModule
from fa_pyg.train.seeds import EpochSeed

__all__ = ["EMA", "EpochSeed", "NBodyCLI", "NBodyData", "NBodyModule", "load_best", "main"]
