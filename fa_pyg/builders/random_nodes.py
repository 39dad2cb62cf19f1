"""Random node orders: group averaging over samples of S(n)."""

from __future__ import annotations

import torch

from fa_pyg import checks
from fa_pyg.builders.base import PermutationFrame
from fa_pyg.builders.graphs import Graphs
from fa_pyg.frames.permutation import PermutationFrames
from fa_pyg.groups import GroupLike
from fa_pyg.groups.draw import draw
from fa_pyg.typed import computed

__all__ = ["RandomNodeFrame"]


class RandomNodeFrame(PermutationFrame):
    r"""Group averaging over k uniform samples of S(n): random node orders of each graph.

    .. math:: \langle\Phi\rangle(x) \approx \frac1k \sum_{i=1}^k \rho(g_i) \Phi(\rho(g_i)^{-1} x),
              \qquad g_i \sim \mathrm{U}(S_n)

    The relational pooling of Murphy et al. (2019), the baseline "GA" of Puny et al. (2022).

    Args:
        group: ``"S(n)"``.
        k: orders per graph and call.
        generator: for reproducible draws; default the global generator of torch.

    Not guaranteed: invariance of a single call. It holds in expectation; the error falls as 1 / sqrt(k).
    """

    def __init__(
        self, group: GroupLike = "S(n)", k: int = 1, generator: torch.Generator | None = None
    ) -> None:
        super().__init__(group)
        self.k = checks.integer("k", k)
        self.generator = checks.instance(
            "generator", generator, torch.Generator, "a torch.Generator", optional=True
        )

    @computed
    def is_random(self) -> bool:
        return True

    def build(self, graphs: Graphs) -> PermutationFrames:
        numbers, device = graphs.numbers, graphs.device
        size = (self.k, graphs.batch.size(0))
        key = draw(torch.rand, *size, generator=self.generator, device=device, dtype=torch.float64)
        # Keys of graph b lie in [b, b + 1/2]: sorting does not mix graphs, whatever the rounding.
        order = numbers.local[torch.argsort(key / 2 + graphs.batch, dim=1)].reshape(-1)
        body = torch.arange(graphs.size, device=device).repeat(self.k)
        weight = torch.full((len(body),), 1 / self.k, dtype=torch.float64, device=device)
        exact = torch.zeros(graphs.size, dtype=torch.bool, device=device)
        known = {"edge_index": graphs.edge_index, "edge_color": graphs.edge_color}
        known |= {"edge_orbit": graphs.equal_edges}
        return PermutationFrames.ragged(order, body, weight, numbers, exact, slots=self.k, **known)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, k={self.k}"
