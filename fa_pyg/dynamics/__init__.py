"""Does a trained model conserve energy? Dynamics at constant energy, and what its total energy does."""

from fa_pyg.dynamics.measures import along, conservation, path_gaps, work_gaps
from fa_pyg.dynamics.nve import Trajectory, nve, thermalised

__all__ = ["Trajectory", "along", "conservation", "nve", "path_gaps", "thermalised", "work_gaps"]
