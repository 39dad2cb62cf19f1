"""Contract of frames: a class of tests that a new frame inherits."""

from __future__ import annotations

from fa_pyg.testing.contract.degenerate import DegenerateContract
from fa_pyg.testing.contract.maps import MapContract
from fa_pyg.testing.contract.models import ModelContract
from fa_pyg.testing.contract.modules import ModuleContract
from fa_pyg.testing.contract.run import run_contract

__all__ = ["FrameContract", "run_contract"]


class FrameContract(MapContract, ModuleContract, ModelContract, DegenerateContract):
    """Tests of a frame; a subclass makes the frame, declares what it promises, and inherits the tests.

    .. code-block:: python

        class TestPCA(FrameContract):
            def make(self, group):
                return PCAFrame(group)

    Independent of test frameworks: methods ``test_*`` raise AssertionError, or :class:`unittest.SkipTest` if
    the frame does not promise what they check. pytest collects subclasses whose names begin with ``Test``;
    :func:`~fa_pyg.testing.run_contract` runs them without it.

    Attributes:
        groups: supported groups.
        stochastic: the frame draws at random, so that F(gx) = gF(x) holds in distribution only.
        continuous: framed outputs are continuous everywhere, also across degenerate clouds.
        smooth: so are forces of framed energies.
        exact: framed outputs and forces are exactly equivariant on the whole degenerate catalogue.
        differentiable: gradients flow through the frames; otherwise frames must not carry gradients.
        learned: the frame has parameters; otherwise its state is empty.
        resolution: inputs with rounding errors r may change framed outputs by r / resolution.
    """
