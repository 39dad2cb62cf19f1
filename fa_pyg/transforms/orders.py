"""Permutation frames as plain tensors of a Data."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch_geometric.data import Batch, Data

from fa_pyg.calls import Layout
from fa_pyg.frames.local_index import LocalIndex
from fa_pyg.frames.permutation import PermutationFrames

__all__ = ["data_orders", "has_orders", "store_orders"]

_OPTIONAL = {"orbit": "orbit", "edge_orbit": "edge_orbit", "color": "edge_color", "exact": "exact"}


def has_orders(data: Data, name: str) -> bool:
    return f"{name}_order" in data


def store_orders(data: Data, layout: Layout, frames: PermutationFrames, name: str) -> Data:
    """Return the data with these frames of its graphs as attributes."""
    order = torch.argsort(frames.body, stable=True)  # sorted by graph
    rank = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))
    length = frames.sizes[frames.body]
    sorted_rows = torch.argsort(rank.repeat_interleave(length), stable=True)
    by_graph, weight = frames.order[sorted_rows], frames.weight[order]
    parts: dict[str, Tensor | None] = {"order": by_graph, "weight": weight, "count": frames.counts}
    parts |= {part: getattr(frames, field) for part, field in _OPTIONAL.items()}
    parts["exact"] = None if frames.exact is None else frames.exact_for()
    for part in parts:
        if f"{name}_{part}" in data:
            del data[f"{name}_{part}"]
    values = {f"{name}_{part}": value for part, value in parts.items() if value is not None}
    for key, value in values.items():
        data[key] = value
    if isinstance(data, Batch) and layout.is_collated:
        _add_slices(data, values, frames, layout)
    return data


def data_orders(data: Data, name: str) -> PermutationFrames:
    """Return the frames that are stored in a Data or Batch.

    Raises:
        ValueError: if an attribute is missing, or their sizes do not fit.
    """
    order, weight, count = (data.get(f"{name}_{part}") for part in ("order", "weight", "count"))
    if weight is None or count is None:
        raise ValueError(f"{name}_weight, {name}_count: expected tensors beside {name}_order, found none")
    batch = data.get("batch")
    batch = count.new_zeros(data.num_nodes) if batch is None else batch
    numbers = LocalIndex(batch, len(count))
    fields = {field: data.get(f"{name}_{part}") for part, field in _OPTIONAL.items()}
    fields["edge_index"], exact = data.get("edge_index"), fields.pop("exact")
    graphs = torch.arange(len(count), device=count.device)
    if len(weight) == len(count) and len(order) == len(batch):
        return PermutationFrames.ragged(order, graphs, weight, numbers, exact, **fields)
    body = graphs.repeat_interleave(count, output_size=len(weight))
    frames = PermutationFrames(order, numbers.counts, body, weight, batch, **fields)
    return frames.with_exact(exact)


def _add_slices(batch: Data, values: dict[str, Tensor], frames: PermutationFrames, layout: Layout) -> None:
    """Add slices of these attributes to a collated batch, so that PyG can separate it."""
    nodes, counts = frames.sizes.cpu(), frames.counts.cpu()
    ones = torch.ones_like(nodes)
    edges = (
        torch.bincount(frames.edge_body, minlength=len(ones)).cpu() if layout.edge_index is not None else ones
    )
    lengths = {"order": counts * nodes, "weight": counts, "orbit": nodes, "edge_orbit": edges, "color": edges}
    for key in values:
        length = lengths.get(key.split("_", 1)[1], ones)
        batch._slice_dict = {**batch._slice_dict, key: pad(length.cumsum(0), (1, 0))}
        batch._inc_dict = {**batch._inc_dict, key: torch.zeros_like(ones)}
