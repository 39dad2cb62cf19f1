"""Equivariance of permutation frames: F(gx) = g F(x) for every order of the nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data
from torch_geometric.utils import to_undirected

from fa_pyg import checks
from fa_pyg.builders import Frame
from fa_pyg.separation.relabelled import relabelled

__all__ = ["assert_permutation_frame", "framed_graphs", "graph_catalogue"]

FramedGraphs = Mapping[tuple, float]


def graph_catalogue() -> dict[str, Data]:
    """Small graphs, many symmetric, some with features, directions, loops, parallel edges, components."""
    ring, made = torch.arange(6), {}
    made["ring"] = _of(torch.stack([ring, (ring + 1) % 6]), 6)
    made["star"] = _of(torch.stack([torch.zeros(4, dtype=torch.long), torch.arange(1, 5)]), 5)
    made["complete"] = _of(torch.triu_indices(5, 5, 1), 5)
    made["two triangles"] = _of(torch.tensor([[0, 1, 2, 3, 4, 5], [1, 2, 0, 4, 5, 3]]), 6)
    made["tree"] = _of(torch.tensor([[0, 0, 1, 1, 2, 3], [1, 2, 3, 4, 5, 6]]), 7)
    made["isolated nodes"] = _of(torch.tensor([[0], [1]]), 4)
    made["no edges"] = _of(torch.zeros(2, 0, dtype=torch.long), 3)
    made["one node"] = _of(torch.zeros(2, 0, dtype=torch.long), 1)
    made["colored ring"] = _of(made["ring"]["edge_index"], 6, x=torch.tensor([0.0, 1, 0, 0, 1, 0]))
    made["directed ring"] = _of(torch.stack([ring, (ring + 1) % 6]), 6, directed=True)
    made["loops"] = _of(torch.tensor([[0, 1, 1, 2, 0], [1, 0, 2, 1, 0]]), 3, directed=True)
    made["parallel edges"] = _of(torch.tensor([[0, 0, 1, 1, 1, 2], [1, 1, 0, 0, 2, 1]]), 3, directed=True)
    weights = torch.tensor([1.0, 2, 1, 2, 1, 2]).repeat(2)
    directed = made["directed ring"]["edge_index"]
    made["weighted ring"] = Data(
        x=torch.ones(6, 1),
        edge_index=torch.cat([directed, directed.flip(0)], 1),
        edge_attr=weights.unsqueeze(1),
    )
    return made


def assert_permutation_frame(
    frame: Frame, graphs: Mapping[str, Data] | None = None, trials: int = 5, seed: int = 0
) -> None:
    """Assert that relabeled graphs have the same weighted set of framed graphs, alone and in a batch.

    Args:
        frame: exact frame of S(n); a random frame fails.
        graphs: ``Data`` by name, with x, edge_index and perhaps edge_attr; default :func:`graph_catalogue`.
        trials: number of relabelings of each graph.
        seed: of the relabelings.

    Raises:
        AssertionError: naming the graph.
        ValueError: for other arguments.

    Not guaranteed: correct orbits; compare framed outputs of nodes by
    :func:`~fa_pyg.testing.assert_equivariant`.
    """
    checks.instance("frame", frame, Frame, "a frame of S(n)")
    checks.integer("trials", trials)
    checks.integer("seed", seed, 0, checks.MOST)
    graphs = graph_catalogue() if graphs is None else graphs
    if not isinstance(graphs, Mapping) or any(
        not isinstance(data, Data) or data.get("x") is None for data in graphs.values()
    ):
        checks.refuse("graphs", "a dict of Data with x and edge_index, by name", graphs)
    draw = torch.Generator().manual_seed(seed)
    for name, data in graphs.items():
        expected = next(framed_graphs(frame, data))
        for _ in range(trials):
            moved = relabelled(Batch.from_data_list([data]), draw)
            if not _same(expected, next(framed_graphs(frame, moved))):
                raise AssertionError(
                    f"{frame}: {name}, relabeled, has other framed graphs (as with random orders)"
                )
    for attributes in ({"x", "edge_index"}, {"x", "edge_index", "edge_attr"}):
        alike = {name: data for name, data in graphs.items() if set(data.keys()) == attributes}
        batch = Batch.from_data_list(list(alike.values())) if alike else None
        together = framed_graphs(frame, batch) if alike else ()
        for (name, data), found in zip(alike.items(), together, strict=True):
            if not _same(next(framed_graphs(frame, data)), found):
                raise AssertionError(f"{frame}: {name} has other framed graphs in a batch than alone")


def framed_graphs(frame: Frame, data: Any) -> Iterator[FramedGraphs]:
    """Yield for each graph the weights of its different framed graphs."""
    batch = data["batch"] if _is_batch(data) else None
    frames = frame(data.edge_index, data.x, data.get("edge_attr"), batch)
    attr = data.get("edge_attr")
    attr = torch.zeros(data.num_edges, 1) if attr is None else attr
    edges, features = frames.edges_in_frame().t(), frames.to_frame(data.x, level="node")
    edge, node = frames.sources("edge"), frames.sources("node")
    first = torch.zeros(frames.num_frames, dtype=torch.long).scatter_reduce(
        0, node[1], torch.arange(len(node[1])), "amin", include_self=False
    )
    rows = torch.cat([(edges - first[edge[1]].unsqueeze(1)).double(), attr[edge[0]].double()], 1)
    for graph in range(frames.num_bodies):
        found: dict[tuple, float] = {}
        for k in (frames.body == graph).nonzero().flatten().tolist():
            key = (_key(rows[edge[1] == k]), tuple(map(tuple, features[node[1] == k].tolist())))
            found[key] = found.get(key, 0.0) + float(frames.weight[k])
        yield found


def _is_batch(data: object) -> bool:
    return isinstance(data, Batch)


def _key(rows: Tensor) -> tuple:
    return tuple(sorted(map(tuple, rows.tolist())))


def _same(a: FramedGraphs, b: FramedGraphs) -> bool:
    return a.keys() == b.keys() and all(abs(a[key] - b[key]) < 1e-9 for key in a)


def _of(pairs: Tensor, n: int, x: Tensor | None = None, directed: bool = False) -> Data:
    index = pairs if directed or not pairs.numel() else to_undirected(pairs, num_nodes=n)
    return Data(x=torch.ones(n, 1) if x is None else x.unsqueeze(1), edge_index=index)
