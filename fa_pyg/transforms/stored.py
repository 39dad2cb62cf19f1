"""Frames as plain tensors of a Data, under names that PyG collates, picks and separates as they should be."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch_geometric.data import Data

from fa_pyg import checks
from fa_pyg.frames import Frames
from fa_pyg.frames.permutation import PermutationFrames
from fa_pyg.transforms.declared import Declared
from fa_pyg.transforms.orders import data_orders, has_orders

__all__ = ["check_free", "data_frames", "store_frames"]

PARTS = ("rotation", "weight", "count", "origin", "exact")  # the last two: where the frames have them


def data_frames(data: Data, name: str = "frame") -> Frames | PermutationFrames:
    """Return the frames that :class:`~fa_pyg.transforms.AddFrames` has stored in a Data or Batch.

    They are for a framed model, ``model(batch, frames=data_frames(batch))``, which then computes none. With
    ``name="pose"`` they are the poses of :class:`~fa_pyg.transforms.CanonicalPose`. Called before the batch
    goes to an accelerator, ``data_frames(batch).to(device)``, it waits for nothing.

    Args:
        data: a Data, or a batch of them from any of PyG's loaders or ``InMemoryLoader``.
        name: what the names of the attributes begin with.

    Shapes:
        ``frame_rotation [F, d, d]`` and ``frame_weight [F]``, graph by graph; ``frame_count [B]``, the number
        of frames of each; ``frame_origin [B, d]``, in groups that translate; ``frame_exact [B]``, of frames
        that know how exact they are (:meth:`~fa_pyg.Frames.exact_for`).

        Of S(n): ``frame_order [M]``, the number within its graph of the node that takes each place, frame by
        frame; ``frame_orbit [N]`` and ``frame_edge_orbit [E]``; ``frame_color [E]``, of the edges.

    Raises:
        ValueError: if an attribute is missing, or their sizes do not fit.

    Not guaranteed: that they are still the frames of the other attributes, if something has moved those
    since; and they carry *no gradient*: forces taken through them would be wrong.
    """
    checks.instance("data", data, Data, "a Data or Batch")
    checks.instance("name", name, str, "a name")
    if has_orders(data, name):
        return data_orders(data, name)
    rotation, weight, count, origin, exact = (data.get(f"{name}_{part}") for part in PARTS)
    if rotation is None or weight is None or count is None:
        have = ", ".join(data.keys()) or "nothing"
        raise ValueError(
            f"{name}_rotation, {name}_weight, {name}_count: expected tensors; the data has {have}"
        )
    if int(count.sum()) != len(rotation):
        raise ValueError(f"{name}_count: expected a sum of {len(rotation)} frames, found {int(count.sum())}")
    graphs = torch.arange(len(count), device=count.device)
    body = graphs.repeat_interleave(count, output_size=len(rotation))
    frames = Frames(rotation, body, weight, origin, data.get("batch"), len(count))
    return frames.with_exact(exact)


def store_frames(declared: Declared, frames: Frames, name: str) -> Data:
    """Return the data with these frames of its graphs as attributes."""
    data = declared.data
    order = torch.argsort(frames.body, stable=True)  # graph by graph
    each = frames.rotation.index_select(0, order), frames.weight.index_select(0, order)
    values = dict(zip(PARTS, (*each, frames.counts, frames.origin, frames.exact), strict=True))
    for part, value in values.items():
        if value is not None:
            data[f"{name}_{part}"] = value
        elif f"{name}_{part}" in data:
            del data[f"{name}_{part}"]
    if declared.is_collated:
        _tell_slices(data, {f"{name}_{k}": v for k, v in values.items() if v is not None}, frames)
    return data


def _tell_slices(batch: Data, values: dict[str, Tensor], frames: Frames) -> None:
    """Let a collated batch be taken apart again, as if the graphs had come with these attributes."""
    counts, ones = frames.counts.cpu(), torch.ones(frames.num_bodies, dtype=torch.long)
    slices = {k: pad((counts if len(v) != len(ones) else ones).cumsum(0), (1, 0)) for k, v in values.items()}
    incs = {key: torch.zeros_like(ones) for key in values}
    # New dicts: a copied batch shares them with the one that it was copied from.
    batch._slice_dict = {k: v for k, v in {**batch._slice_dict, **slices}.items() if k in batch}
    batch._inc_dict = {k: v for k, v in {**batch._inc_dict, **incs}.items() if k in batch}


def check_free(data: Data) -> None:
    """Raise ValueError if a motion would make frames that are stored in the data those of something else."""
    for name in ("frame_rotation", "pose_rotation", "frame_order"):
        if name in data:
            raise ValueError(
                f"{name!r}: found frames stored in the data, which would not be those of the moved data: "
                "expected this transform before AddFrames or CanonicalPose, not after"
            )
