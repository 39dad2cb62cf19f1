"""Meaning of the name of a tensor: rows of nodes or edges, node indices, features."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor

from fa_pyg.batches import check_indices
from fa_pyg.calls.call import Name

__all__ = [
    "BY_NAME",
    "KEPT",
    "NODE_NAMES",
    "check_feature",
    "is_feature_name",
    "is_index_name",
    "is_integer",
    "is_pairs",
    "owners",
    "words",
]

NODE_NAMES = (
    "x",
    "feat",
    "pos",
    "z",
    "node_type",
    "n_id",
)
"""Names of node attributes by convention, as ``edge_*`` are names of edge attributes."""
BY_NAME = {"node_id": "place"}
KEPT = ("frame_", "pose_")
"""Prefixes of the attributes that transforms store for frames."""

# Integers that are features, targets or counts, not node indices: by the whole name, or by its last word.
_FEATURE_NAMES = (
    r"t|h|Z|[nefs]_?id|node_id|(graph|mol|molecule|sample|system)_(id|idx)|atomic_nums?|(atomic_)?numbers?|"
    r"(y|num|n|is|has|frame|pose|)_.*"
)
_FEATURE_WORDS = (
    r"x|y|z|feats?|features?|attrs?|attributes?|weights?|masks?|labels?|targets?|class(es)?|types?|kinds?|"
    r"colou?rs?|species|elements?|charges?|spins?|multiplicity|degrees?|deg|valence|hybridization|chirality|"
    r"stereo|bond_orders?|hops?|counts?|sizes?|tokens?|tags?|category|categories|times?|timesteps?|steps?|"
    r"epochs?|residues?|chains?|clusters?|folds?|splits?|shifts?|offsets?|cells?|pbc|natoms|batch|ptr|adj|adj_t"
)
_FEATURES = re.compile(f"{_FEATURE_NAMES}|(.*_)?({_FEATURE_WORDS})")


def words(name: Name) -> set[str]:
    """Return the words of a name that distinguish sets of points."""
    return set(str(name).split("_")) - {"x", "pos", "z", "feat", "batch", "edge", "node", "index", "label"}


def is_integer(value: Any) -> bool:
    """Whether a value is a tensor of integers (not bool)."""
    if not isinstance(value, Tensor):
        return False
    return not (value.is_floating_point() or value.is_complex() or value.dtype == torch.bool)


def is_index_name(name: Name) -> bool:
    """Whether PyG takes a tensor of this name for node indices (``Data.__inc__``)."""
    return "index" in str(name) or name == "face"


def is_feature_name(name: Name) -> bool:
    """Whether integers of this name are features, targets or counts, and not node indices."""
    return _FEATURES.fullmatch(str(name)) is not None


def check_feature(name: Name, value: Any, num_nodes: int) -> None:
    """Raise ValueError for integers that may be node indices, unless their name is one of features.

    Node indices are integers below the number of nodes (a device sync, unless the name decides).
    """
    if not is_integer(value) or not value.numel() or is_index_name(name) or is_feature_name(name):
        return
    low, high = map(int, value.aminmax())
    if low >= -1 and 0 <= high < num_nodes and value.dtype in (torch.int32, torch.int64):
        raise ValueError(
            f"{name!r}: expected a declaration of these integers, which may be node indices, found "
            f'{value.dtype} {list(value.shape)}: levels={{{name!r}: "index"}} for node indices, "node_index" '
            'for node indices with a row for each node, "node", "edge" or "graph" for features with rows of '
            'these, "shared" for what is the same for all graphs'
        )


def owners(batch: Tensor, indices: Tensor, name: Name) -> Tensor:
    """Return the graph of each entry of node indices along the last axis; -1 stands for a missing node.

    Raises:
        ValueError: for out-of-range node indices (checked on CPU only, to avoid a device sync).
    """
    if not is_integer(indices) or not indices.dim():
        raise ValueError(
            f"{name}: expected node indices, int64 [..., n], found {indices.dtype} {list(indices.shape)}"
        )
    check_indices(indices, -1, len(batch), name)
    first = indices if indices.dim() == 1 else indices.flatten(0, -2).amax(0)
    return batch.index_select(0, first.clamp(min=0))


def is_pairs(value: Any) -> bool:
    """Whether a value could be pairs of nodes, ``[2, P]``."""
    return (
        isinstance(value, Tensor) and value.layout == torch.strided and value.dim() == 2 and len(value) == 2
    )
