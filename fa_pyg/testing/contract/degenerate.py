"""Contract of frames on degenerate inputs: exactness and continuity."""

from __future__ import annotations

import torch
from torch import Tensor

from fa_pyg.batches import graph_count
from fa_pyg.builders import Frame
from fa_pyg.testing.catalogue import modified, modifiers
from fa_pyg.testing.continuity import assert_continuous
from fa_pyg.testing.contract.base import ContractBase, failures_on, for_each_group
from fa_pyg.testing.probe import framed_probe

__all__ = ["DegenerateContract"]


class DegenerateContract(ContractBase):
    """Tests on the degenerate catalogue, and on lines through degenerate clouds."""

    @for_each_group
    def test_exact_on_the_catalogue(self, frame: Frame) -> None:
        """Framed outputs are equivariant on degenerate clouds, also far away, tiny, huge and in float32."""
        self._require(self.exact and not self.stochastic, "exactness on degenerate clouds")
        clouds = list(self.clouds(frame.group.dim))
        for dtype, tol in ((torch.float64, 1e-10), (torch.float32, 1e-3)):
            for how in modifiers():
                far = 10 * how.get("offset", 0) * torch.finfo(dtype).eps / self.resolution
                if tol + far < 0.1:
                    moved, length = [modified(cloud, **how) for cloud in clouds], how.get("scale", 1.0)
                    what = ", ".join([f"{dtype}", *(f"{k} {v:g}" for k, v in how.items())])
                    self._assert_exact(frame, moved, what, tol=tol + far, dtype=dtype, length=length)
        if self.differentiable:
            self._assert_exact(frame, clouds, "forces", tol=1e-8, forces=True)

    @for_each_group
    def test_exact_with_velocities(self, frame: Frame) -> None:
        """Symmetries of the positions need not be symmetries of other declared inputs."""
        self._require(self.exact and not self.stochastic, "exactness on degenerate clouds")
        self._assert_exact(frame, list(self.clouds(frame.group.dim)), "velocities", velocities=True)

    @for_each_group
    def test_continuous_across_degenerate_clouds(self, frame: Frame) -> None:
        """Steps of framed outputs shrink with steps of the input, on lines through degenerate clouds."""
        self._require(self.continuous and not self.stochastic, "continuity")
        model = framed_probe(frame)

        def outputs(z: Tensor | None, pos: Tensor, batch: Tensor) -> Tensor:
            with torch.no_grad():
                found = model(z, pos, batch).values()
            return torch.cat([y.reshape(graph_count(batch), -1) for y in found], dim=1)

        def forces(z: Tensor | None, pos: Tensor, batch: Tensor) -> Tensor:
            pos = pos.clone().requires_grad_()
            return torch.autograd.grad(model(z, pos, batch)["graph scalar"].sum(), pos)[0]

        for line in self.lines(frame.group.dim):
            with failures_on(f"outputs along {line.name}"):
                assert_continuous(outputs, line)
            if self.smooth:
                with failures_on(f"forces along {line.name}"):
                    assert_continuous(forces, line)
