"""Spectral supports of GNNML3: functions of the Laplacian, restricted to a receptive field."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data
from torch_geometric.transforms import BaseTransform

from fa_pyg import checks
from fa_pyg.batches import add_slices
from fa_pyg.math.eigh import safe_eigh
from fa_pyg.models.graphs.dense import Dense, dense_batches
from fa_pyg.models.graphs.readout import check_graphs

__all__ = ["GNNML3Supports", "check_spectrum", "gnnml3_supports"]


@torch.no_grad()
def gnnml3_supports(
    edge_index: Tensor, batch: Tensor, frequencies: int = 5, bandwidth: float = 2.0, reach: int = 1
) -> tuple[Tensor, Tensor]:
    r"""Compute the spectral convolution supports of :class:`~fa_pyg.models.GNNML3` for a batch of graphs.

    "Breaking the Limits of Message Passing Graph Neural Networks" (Balcilar et al. 2021):

    .. math:: C_s = M \odot U\, \mathrm{diag}\big(e^{-b (\lambda - f_s)^2}\big)\, U^\top, \quad s < S, \qquad
              C_S = I, \qquad L = I - D^{-1/2} A D^{-1/2} = U \mathrm{diag}(\lambda)\, U^\top

    with S equidistant frequencies f from the smallest to the largest eigenvalue of each graph, and M the mask
    of pairs at most ``reach`` edges apart. Eigenvectors enter through this product only, so that the supports
    are equivariant to the order of the nodes.

    Args:
        edge_index: ``[2, E]``, in both directions; repeated edges add up.
        batch: the graph of each node ``[N]``.
        frequencies: S; published: 5.
        bandwidth: b; published: 2.
        reach: largest distance in edges; published: 1, the neighbors and the node itself.

    Shapes:
        the pairs ``[2, P]``, sorted by graph, and their supports ``[P, S + 1]`` in float64.

    Raises:
        ValueError: for ``frequencies`` or ``reach`` below 1.

    Not guaranteed: meaningful supports for directed graphs.
    """
    check_spectrum(frequencies, bandwidth, reach)
    check_graphs(edge_index, batch)
    one = torch.ones((), dtype=torch.float64, device=edge_index.device).expand(edge_index.size(1))
    found = []
    for part in dense_batches(edge_index, batch):
        adjacency = part.edges(one)
        found.append(_masked(part, _filters(adjacency, part.mask, frequencies, bandwidth), adjacency, reach))
    if not found:
        return edge_index.new_zeros(2, 0), one.new_zeros(0, frequencies + 1)
    pairs, supports = (torch.cat(rows) for rows in zip(*found, strict=True))
    order = torch.argsort(batch[pairs[:, 0]], stable=True)
    return pairs[order].T.contiguous(), supports[order]


def check_spectrum(frequencies: int, bandwidth: float, reach: int) -> None:
    """Check the parameters of the supports.

    Raises:
        ValueError: naming the first that is out of range.
    """
    checks.integer("frequencies", frequencies, 1, checks.DEEP)
    checks.number("bandwidth", bandwidth, 0)
    checks.integer("reach", reach, 1, checks.DEEP)


def _filters(adjacency: Tensor, mask: Tensor, frequencies: int, bandwidth: float) -> Tensor:
    """Functions of the Laplacian ``[b, n, n, S]``."""
    degree = adjacency.sum(-1)
    over = torch.where(degree > 0, degree.rsqrt(), 0)
    laplacian = torch.diag_embed(mask.to(degree.dtype)) - over[:, :, None] * adjacency * over[:, None, :]
    values, vectors = safe_eigh(laplacian)  # padding has eigenvalue 0, in eigenvectors of its own
    values = values.clamp(min=0)
    high = values[:, -1:]
    low = torch.where(degree.sum(-1, keepdim=True) > 0, 0, high)  # without edges all eigenvalues are 1
    step = torch.arange(frequencies, dtype=values.dtype, device=values.device) / max(frequencies - 1, 1)
    gain = torch.exp(-bandwidth * (values.unsqueeze(1) - (low + (high - low) * step).unsqueeze(2)).square())
    filters = (vectors.unsqueeze(1) * gain.unsqueeze(2)) @ vectors.mT.unsqueeze(1)  # [b, S, n, n]
    return filters.movedim(1, -1)


def _masked(part: Dense, filters: Tensor, adjacency: Tensor, reach: int) -> tuple[Tensor, Tensor]:
    """Pairs of nodes in the receptive field ``[P, 2]`` and their supports, the identity last."""
    identity = torch.diag_embed(part.mask.to(adjacency.dtype))
    near = step = ((adjacency + identity) > 0).to(adjacency.dtype)
    for _ in range(reach - 1):
        near = (near @ step > 0).to(adjacency.dtype)
    graph, source, target = near.nonzero().unbind(1)
    node = part.slot.new_zeros(part.mask.numel()).index_copy_(0, part.slot, part.node)
    ends = torch.stack([node[graph * part.size + end] for end in (source, target)], dim=1)
    same = (source == target).to(filters.dtype).unsqueeze(1)
    return ends, torch.cat([filters[graph, source, target], same], dim=1)


class GNNML3Supports(BaseTransform):
    """Store :func:`gnnml3_supports` in the data, for :class:`~fa_pyg.models.GNNML3`.

    .. code-block:: python

        data = GNNML3Supports()(data)             # a Data or a Batch; a Batch is many times faster
        model(data.x, data.edge_index, data.batch, data.support_index, data.support_attr)

    Args:
        frequencies, bandwidth, reach: as in :func:`gnnml3_supports`.

    Shapes:
        adds ``support_index [2, P]``, which PyG increments like ``edge_index``, and ``support_attr
        [P, frequencies + 1]`` in the type of ``x`` (without ``x``, torch's default type).
    """

    def __init__(self, frequencies: int = 5, bandwidth: float = 2.0, reach: int = 1) -> None:
        check_spectrum(frequencies, bandwidth, reach)
        self.arguments = {"frequencies": frequencies, "bandwidth": bandwidth, "reach": reach}

    def forward(self, data: Data) -> Data:
        edge_index, batch = data["edge_index"], data.get("batch")
        if batch is None:
            batch = edge_index.new_zeros(data.num_nodes)
        x = data.get("x")
        dtype = torch.get_default_dtype() if x is None or not x.is_floating_point() else x.dtype
        data.support_index, supports = gnnml3_supports(edge_index, batch, **self.arguments)
        data.support_attr = supports.to(dtype)
        if isinstance(data, Batch) and "x" in data._slice_dict:
            counts = torch.bincount(batch[data.support_index[0]], minlength=data.num_graphs)
            names = ("support_index", "support_attr")
            add_slices(data, dict.fromkeys(names, counts), {"support_index": data.ptr[:-1]})
        return data

    def __repr__(self) -> str:
        return f"GNNML3Supports({', '.join(f'{k}={v}' for k, v in self.arguments.items())})"
