"""Contract of frames as modules: types, copies, state."""

from __future__ import annotations

import copy
import pickle

import torch

from fa_pyg.builders import Frame
from fa_pyg.testing.contract.base import ContractBase, for_each_group

__all__ = ["ModuleContract"]


class ModuleContract(ContractBase):
    """Tests of types, autocast, copies, pickles and state."""

    @for_each_group
    def test_types(self, frame: Frame) -> None:
        """Frames are computed in float64 for all types of inputs, also under autocast."""
        pos = self.points(frame)
        plain, cast = self._draw(frame, pos), self._draw(frame, pos, autocast=True)
        assert torch.equal(cast.rotation, plain.rotation), "autocast changes the frames"
        rounded = self._draw(frame, pos.float().double())
        for module in (frame, copy.deepcopy(frame).float()):
            narrow = self._draw(module, pos.float())
            assert narrow.rotation.dtype == torch.float64, f"found {narrow.rotation.dtype}"
            self._assert_same(narrow, rounded, (0, 1, 2), tol=1e-4 if self.learned else 1e-6)

    @for_each_group
    def test_copies(self, frame: Frame) -> None:
        """Copies and pickles compute the same frames; a frame without parameters has no state."""
        pos = self.points(frame)
        plain = self._draw(frame, pos)
        for other in (copy.deepcopy(frame), pickle.loads(pickle.dumps(frame))):
            assert torch.equal(self._draw(other, pos).rotation, plain.rotation), (
                "a copy computes other frames"
            )
            assert other.training == frame.training, "a copy is in another mode"
        assert bool(list(frame.parameters())) == self.learned, (
            "learned: the frame has parameters, or has none, unlike its promise"
        )
        if not self.learned:
            assert not frame.state_dict(), f"has a state: {', '.join(frame.state_dict())}"
