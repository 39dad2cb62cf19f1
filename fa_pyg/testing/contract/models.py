"""Contract of framed models: equivariance, derivatives, forces."""

from __future__ import annotations

import torch
from torch import Tensor

from fa_pyg.builders import Frame
from fa_pyg.testing.catalogue import NamedCloud
from fa_pyg.testing.contract.base import BATCH, ContractBase, for_each_group
from fa_pyg.testing.exactness import assert_exact
from fa_pyg.testing.forces import assert_conservative
from fa_pyg.testing.probe import framed_probe

__all__ = ["ModelContract"]


class ModelContract(ContractBase):
    """Tests of framed models on generic inputs: equivariance, derivatives, forces."""

    @for_each_group
    def test_framed_models_are_equivariant(self, frame: Frame) -> None:
        """Scalars, vectors, pseudovectors and tensors of nodes and graphs are equivariant."""
        self._require(not self.stochastic, "equivariance of a single draw")
        pos = self.points(frame)
        clouds = [NamedCloud(f"graph {k}", None, pos[k == BATCH], None, None) for k in range(3)]
        assert_exact(frame, clouds, tol=max(1e-8, 1e-15 / self.resolution))

    @for_each_group
    def test_gradients(self, frame: Frame) -> None:
        """First and second derivatives of the framed input are correct, and reach every parameter."""
        pos = self.points(frame)[:6].requires_grad_()
        probe = torch.arange(1.0, frame.group.dim + 1, dtype=torch.float64)
        rep = "point" if frame.group.translates else "vector"

        def value(x: Tensor) -> Tensor:
            frames = frame(x)
            framed = (frames.to_frame(x, rep, "node") @ probe).sin().exp()
            weight = frames.weight.repeat_interleave(
                len(x)
            )  # a single graph: copies are in the order of frames
            return (weight * framed).sum()

        if not self.differentiable:
            frames = frame(pos)
            assert not frames.rotation.requires_grad, "the rotations carry a gradient"
            assert not frames.weight.requires_grad, "the weights carry a gradient"
        elif not self.stochastic:
            assert torch.autograd.gradcheck(value, pos, fast_mode=True)
            assert torch.autograd.gradgradcheck(value, pos, fast_mode=True)
        for name, parameter in frame.named_parameters():
            gradient = torch.autograd.grad(value(pos), parameter, allow_unused=True)[0]
            assert gradient is not None, f"{name} gets no gradient"

    @for_each_group
    def test_forces(self, frame: Frame) -> None:
        """Forces are the gradient of the framed energy, with the conservation laws of the group."""
        self._require(self.differentiable and not self.stochastic, "forces")
        args = {"z": None, "pos": self.points(frame), "batch": BATCH}
        assert_conservative(framed_probe(frame), args, energy="graph scalar", group=frame.group)
