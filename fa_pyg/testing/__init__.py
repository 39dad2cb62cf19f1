"""Equivariance, continuity and force checks for any model and frame, without a test framework."""

from fa_pyg.separation import Separation, pairs_not_told_apart, relabelled, separation
from fa_pyg.testing.catalogue import NamedCloud, catalogue, modified, modifiers
from fa_pyg.testing.continuity import LINES, Line, assert_continuous, largest_step, lines
from fa_pyg.testing.contract import FrameContract, run_contract
from fa_pyg.testing.curvature import Curvature, curvature, stretches
from fa_pyg.testing.equivariance import assert_equivariant, equivariance_error
from fa_pyg.testing.exactness import assert_exact, exactness_error
from fa_pyg.testing.forces import assert_conservative, conservation_error
from fa_pyg.testing.frames import assert_frame, assert_same_sets
from fa_pyg.testing.graph_frames import assert_permutation_frame, graph_catalogue
from fa_pyg.testing.invariants import assert_invariants, invariants_error
from fa_pyg.testing.motions import Motion, random_motion
from fa_pyg.testing.probe import Probe, framed_probe
from fa_pyg.testing.reports import Report, report
from fa_pyg.testing.steepness import Steepness, assert_smooth, steepness
from fa_pyg.testing.symmetry import idealised, idealized, point_symmetries

__all__ = [
    "LINES",
    "Curvature",
    "FrameContract",
    "Line",
    "Motion",
    "NamedCloud",
    "Probe",
    "Report",
    "Separation",
    "Steepness",
    "assert_conservative",
    "assert_continuous",
    "assert_equivariant",
    "assert_exact",
    "assert_frame",
    "assert_invariants",
    "assert_permutation_frame",
    "assert_same_sets",
    "assert_smooth",
    "catalogue",
    "conservation_error",
    "curvature",
    "equivariance_error",
    "exactness_error",
    "framed_probe",
    "graph_catalogue",
    "idealised",
    "idealized",
    "invariants_error",
    "largest_step",
    "lines",
    "modified",
    "modifiers",
    "pairs_not_told_apart",
    "point_symmetries",
    "random_motion",
    "relabelled",
    "report",
    "run_contract",
    "separation",
    "steepness",
    "stretches",
]
