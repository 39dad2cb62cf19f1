"""Operators of pyg-lib for PyG's models that build graphs, on an installation without it."""

from __future__ import annotations

import torch
import torch_geometric.typing
from torch import Tensor

from fa_pyg.neighbors.edges import find_pairs
from fa_pyg.neighbors.sampling import fps

__all__ = ["provide_pyg_operators"]


def _radius(x, y, ptr_x, ptr_y, r, max_num_neighbors, num_workers, ignore_same_index) -> Tensor:
    loop = not ignore_same_index if _is_same(x, y) else None
    return _find(x, y, ptr_x, ptr_y, max_num_neighbors, r, loop, False)


def _knn(x, y, ptr_x, ptr_y, k, cosine, num_workers) -> Tensor:
    # For a graph, PyG requests one more and drops the node itself, which must be among them.
    loop = True if _is_same(x, y) else None
    return _find(x, y, ptr_x, ptr_y, k, None, loop, cosine)


def _fps(src, ptr, ratio, random_start) -> Tensor:
    batch = torch.repeat_interleave(ptr.diff())
    return fps(src, batch, ratio, random_start, batch_size=len(ptr) - 1)


def _find(x, y, ptr_x, ptr_y, k, r, loop, cosine) -> Tensor:
    y = y if loop is None else None
    batch_x, batch_y = (p if p is None else torch.repeat_interleave(p.diff()) for p in (ptr_x, ptr_y))
    return torch.stack(find_pairs(x, y, batch_x, batch_y, k, r, loop, cosine=cosine))


def _is_same(x: Tensor, y: Tensor) -> bool:
    return x.data_ptr() == y.data_ptr() and x.shape == y.shape and x.stride() == y.stride()


_OPERATORS = (
    (
        "radius",
        "WITH_RADIUS",
        "radius(Tensor x, Tensor y, Tensor? ptr_x, Tensor? ptr_y, float r, int? max_num_neighbors, "
        "int num_workers, bool ignore_same_index) -> Tensor",
        _radius,
    ),
    (
        "knn",
        "WITH_KNN",
        "knn(Tensor x, Tensor y, Tensor? ptr_x, Tensor? ptr_y, int k, bool cosine, "
        "int num_workers) -> Tensor",
        _knn,
    ),
    ("fps", "WITH_FPS", "fps(Tensor src, Tensor ptr, float ratio, bool random_start) -> Tensor", _fps),
)
_libraries: list[torch.library.Library] = []  # operators live as long as their library


def provide_pyg_operators() -> bool:
    """Register the operators ``radius``, ``knn`` and ``fps`` of pyg-lib where pyg-lib is missing.

    PointNet++, ViSNet, DynamicEdgeConv, GravNetConv, XConv, knn_interpolate and the transforms RadiusGraph
    and KNNGraph take neither a graph nor a function that builds one, and raise an ImportError without
    pyg-lib. Call this function once before creating them::

        fa_pyg.nn.provide_pyg_operators()
        model = ViSNet(...)

    The operators are registered for the whole process with ``torch.library``, and give the edges of
    :func:`~fa_pyg.neighbors.radius_graph` and :func:`~fa_pyg.neighbors.knn_graph` and the points of
    :func:`~fa_pyg.neighbors.fps`; no function of PyG is replaced.
    If pyg-lib is installed, this does nothing. SchNet does not need them: give it a
    :class:`~fa_pyg.neighbors.RadiusInteractionGraph`. DimeNet, DimeNet++ and GNNFF need torch_sparse besides.

    Returns:
        Whether operators of this function are in use.

    Raises:
        RuntimeError: if PyG is older than 2.8, which looks for another library.
    """
    switches = torch_geometric.typing
    if not hasattr(switches, "WITH_RADIUS"):
        raise RuntimeError(f"expected torch_geometric >= 2.8, found {torch_geometric.__version__}")
    if not _libraries:
        for name, switch, schema, function in _OPERATORS:
            if not getattr(switches, switch, True):  # earlier versions take fps from another library
                library = torch.library.Library("pyg", "FRAGMENT")
                library.define(schema)
                library.impl(name, function, "CompositeImplicitAutograd")
                _libraries.append(library)
                setattr(switches, switch, True)
    return bool(_libraries)
