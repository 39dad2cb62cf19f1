"""Frames as plain tensors of a Data, which PyG collates, indexes and separates."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch_geometric.data import Data

from fa_pyg import checks
from fa_pyg.frames import Frames
from fa_pyg.frames.motion import MotionFrames
from fa_pyg.frames.permutation import PermutationFrames
from fa_pyg.transforms.declared import Declared
from fa_pyg.transforms.orders import data_orders, has_orders

__all__ = ["check_free", "data_frames", "store_frames"]

PARTS = ("rotation", "weight", "count")
OPTIONAL = ("origin", "exact", "scale", "velocity")


def data_frames(data: Data, name: str = "frame") -> Frames | PermutationFrames:
    """Return the frames that :class:`~fa_pyg.transforms.AddFrames` has stored in a Data or Batch.

    Pass them to a framed model, ``model(batch, frames=data_frames(batch))``, which then computes none. With
    ``name="pose"`` they are the poses of :class:`~fa_pyg.transforms.CanonicalPose`. To avoid device syncs,
    call it before the batch moves to an accelerator: ``data_frames(batch).to(device)``.

    Args:
        data: a Data, or a batch of them from any of PyG's loaders or ``InMemoryLoader``.
        name: the prefix of the names of the attributes.

    Shapes:
        ``frame_rotation [F, d, d]`` and ``frame_weight [F]``, by graph; ``frame_count [B]``, the number of
        frames of each graph; ``frame_origin [B, d]``, in groups that translate; ``frame_exact [B]``, for
        frames with exactness information (:meth:`~fa_pyg.Frames.exact_for`); ``frame_scale [B]`` and
        ``frame_velocity [B, d]``, in groups that scale and boost.

        For S(n): ``frame_order [M]``, the index within its graph of the node at each position, frame by
        frame; ``frame_orbit [N]`` and ``frame_edge_orbit [E]``; ``frame_color [E]``, the colors of edges.

    Raises:
        ValueError: if an attribute is missing, or their sizes do not fit.

    Not guaranteed: that these are still the frames of the other attributes, which may have been moved since.
    They carry *no gradient*: forces through them would be wrong.
    """
    checks.instance("data", data, Data, "a Data or Batch")
    checks.instance("name", name, str, "a name")
    if has_orders(data, name):
        return data_orders(data, name)
    rotation, weight, count = (data.get(f"{name}_{part}") for part in PARTS)
    origin, exact, scale, velocity = (data.get(f"{name}_{part}") for part in OPTIONAL)
    if rotation is None or weight is None or count is None:
        have = ", ".join(data.keys()) or "nothing"
        raise ValueError(f"{name}_rotation, {name}_weight, {name}_count: expected tensors, found {have}")
    if int(count.sum()) != len(rotation):
        raise ValueError(f"{name}_count: expected a sum of {len(rotation)} frames, found {int(count.sum())}")
    graphs = torch.arange(len(count), device=count.device)
    body = graphs.repeat_interleave(count, output_size=len(rotation))
    frames = Frames(rotation, body, weight, origin, data.get("batch"), len(count))
    return frames.with_exact(exact).with_similarity(scale, velocity)


def store_frames(declared: Declared, frames: MotionFrames, name: str) -> Data:
    """Return the data with these frames of its graphs as attributes."""
    data = declared.data
    order = torch.argsort(frames.body, stable=True)  # sorted by graph
    by_graph = frames.rotation.index_select(0, order), frames.weight.index_select(0, order), frames.counts
    values = dict(zip(PARTS, by_graph, strict=True)) | {part: getattr(frames, part) for part in OPTIONAL}
    for part, value in values.items():
        if value is not None:
            data[f"{name}_{part}"] = value
        elif f"{name}_{part}" in data:
            del data[f"{name}_{part}"]
    if declared.is_collated:
        _add_slices(data, {f"{name}_{k}": v for k, v in values.items() if v is not None}, frames)
    return data


def _add_slices(batch: Data, values: dict[str, Tensor], frames: MotionFrames) -> None:
    """Add slices of these attributes to a collated batch, so that PyG can separate it."""
    counts, ones = frames.counts.cpu(), torch.ones(frames.num_bodies, dtype=torch.long)
    slices = {k: pad((counts if len(v) != len(ones) else ones).cumsum(0), (1, 0)) for k, v in values.items()}
    incs = {key: torch.zeros_like(ones) for key in values}
    # New dicts: a copied batch shares them with the original.
    batch._slice_dict = {k: v for k, v in {**batch._slice_dict, **slices}.items() if k in batch}
    batch._inc_dict = {k: v for k, v in {**batch._inc_dict, **incs}.items() if k in batch}


def check_free(data: Data) -> None:
    """Raise ValueError for stored frames, which a motion of the data would invalidate."""
    for name in ("frame_rotation", "pose_rotation", "frame_order"):
        if name in data:
            raise ValueError(
                f"{name!r}: expected this transform before AddFrames or CanonicalPose, found stored "
                "frames, which would not fit the moved data"
            )
