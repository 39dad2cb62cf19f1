"""Consistent signs of normals."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.batches import check_batch
from fa_pyg.math.linalg import mean
from fa_pyg.neighbors import knn_graph

__all__ = ["orient_normals"]


@torch.no_grad()
def orient_normals(pos: Tensor, normal: Tensor, batch: Tensor | None = None, k: int = 10) -> Tensor:
    r"""Orient normals consistently, by minimum spanning trees (Hoppe et al. 1992); needs scipy.

    Signs are propagated over the tree of the k-nearest-neighbor graph that minimizes
    :math:`\sum (1 - |\langle n_i, n_j \rangle|)`: through flat regions first, around sharp edges last. It
    starts at the point of each component that is farthest from its center, where the normal points outward.
    Invariant to the signs that are given; equivariant to E(3).

    Args:
        pos: points.
        normal: their normals, of any signs.
        batch: the cloud of each point, in any order.
        k: number of neighbors.

    Shapes: pos, normal ``[N, 3]``, batch ``[N]``; returns ``[N, 3]``.

    Raises:
        ValueError: for arguments out of range, and other shapes.
        ImportError: without scipy.

    Computed on the CPU.

    Not guaranteed: right signs across sharp edges and gaps, between thin walls, and on inner surfaces.
    """
    checks.integer("k", k)
    for name, x in (("pos", pos), ("normal", normal)):
        checks.instance(name, x, Tensor, "a tensor")
        if x.dim() != 2 or x.shape != pos.shape or x.size(1) != 3:
            raise ValueError(f"{name}: expected [N, 3], found {list(x.shape)}")
    check_batch(batch)
    if not len(pos):
        return normal
    wide, n = pos.double().cpu(), normal.double().cpu()
    edges = knn_graph(wide, k, None if batch is None else batch.cpu())
    dot = (n[edges[0]] * n[edges[1]]).sum(1)
    component = _components(edges, len(pos))
    size = int(component.max()) + 1
    away = wide - mean(wide, component, size)[component]
    root = _farthest(away.square().sum(1), component, size)
    parent = _tree(edges, 2 - dot.abs().nan_to_num(0), root, len(pos))  # weights of 0 would be no edges
    sign = torch.where((n * n[parent]).sum(1) < 0, -1.0, 1.0)
    while not torch.equal(parent, parent[parent]):  # products along paths to the root, by doubling
        sign, parent = sign * sign[parent], parent[parent]
    at_root = torch.where((away * n).sum(1)[root] < 0, -1.0, 1.0)
    return normal * (sign * at_root[component]).to(normal)[:, None]


def _components(edges: Tensor, size: int) -> Tensor:
    from scipy.sparse.csgraph import connected_components

    found = connected_components(_matrix(edges, torch.ones(edges.size(1)), size), directed=False)[1]
    return torch.from_numpy(found).long()


def _farthest(distance: Tensor, component: Tensor, size: int) -> Tensor:
    """Return the node of the largest distance in each component; of equal ones the last."""
    order = distance.argsort(stable=True)
    order = order[component[order].argsort(stable=True)]
    return order[torch.bincount(component, minlength=size).cumsum(0) - 1]


def _tree(edges: Tensor, weight: Tensor, root: Tensor, size: int) -> Tensor:
    """Return the parent of each node in the minimum spanning trees; a root is its own."""
    from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

    tree = torch.from_numpy(np.stack(minimum_spanning_tree(_matrix(edges, weight, size)).nonzero())).long()
    joined = torch.cat([tree, torch.stack([torch.full_like(root, size), root])], dim=1)  # a root of roots
    graph = _matrix(joined, torch.ones(joined.size(1)), size + 1)
    before = breadth_first_order(graph, size, directed=False)[1]
    parent = torch.from_numpy(before[:size]).long()
    return torch.where(parent == size, torch.arange(size), parent)


def _matrix(edges: Tensor, weight: Tensor, size: int):
    """Return a sparse matrix with one entry for each pair of nodes, in either direction."""
    from scipy.sparse import csr_matrix

    low, high = edges.amin(0), edges.amax(0)
    pair, first = np.unique((low * size + high).numpy(), return_index=True)
    entries = weight.numpy()[first]
    return csr_matrix((entries, (pair // size, pair % size)), shape=(size, size))
