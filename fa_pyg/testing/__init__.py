"""Tests of equivariance for users' own models and frames. Needs no test framework."""

from fa_pyg.testing.frames import assert_frame
from fa_pyg.testing.models import assert_equivariant, equivariance_error
from fa_pyg.testing.motions import Motion, random_motion

__all__ = ["Motion", "assert_equivariant", "assert_frame", "equivariance_error", "random_motion"]
