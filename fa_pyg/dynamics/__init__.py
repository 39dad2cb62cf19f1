"""Energy conservation of trained models: NVE dynamics, vibrations and bond scans."""

from __future__ import annotations

from fa_pyg.dynamics.measures import along, conservation, path_gaps, work_gaps
from fa_pyg.dynamics.nve import Trajectory, nve, thermalised
from fa_pyg.dynamics.together import nve_together
from fa_pyg.dynamics.vibrations import bond_scan, frequencies, scannable_bonds, splitting

__all__ = [
    "Trajectory",
    "along",
    "bond_scan",
    "conservation",
    "frequencies",
    "nve",
    "nve_together",
    "path_gaps",
    "scannable_bonds",
    "splitting",
    "thermalised",
    "work_gaps",
]
