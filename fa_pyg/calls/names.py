"""What the name of a tensor says: rows of nodes or edges, node numbers, features."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor

from fa_pyg.batches import check_numbers
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

NODE_NAMES = ("x", "feat", "pos", "z", "node_type", "n_id")  # nodes by convention, as `edge_*` is edges
BY_NAME = {"node_id": "place"}
KEPT = ("frame_", "pose_")  # what transforms store: of no use to a model

# Integers that are features, targets or counts and no node numbers: whole names, and last words of names.
_NAMES = (
    r"t|h|Z|[nefs]_?id|node_id|(graph|mol|molecule|sample|system)_(id|idx)|atomic_nums?|(atomic_)?numbers?|"
    r"(y|num|n|is|has|frame|pose|)_.*"
)
_WORDS = (
    r"x|y|z|feats?|features?|attrs?|attributes?|weights?|masks?|labels?|targets?|class(es)?|types?|kinds?|"
    r"colou?rs?|species|elements?|charges?|spins?|multiplicity|degrees?|deg|valence|hybridization|chirality|"
    r"stereo|bond_orders?|hops?|counts?|sizes?|tokens?|tags?|category|categories|times?|timesteps?|steps?|"
    r"epochs?|residues?|chains?|clusters?|folds?|splits?|shifts?|offsets?|cells?|pbc|natoms|batch|ptr|adj|adj_t"
)
_FEATURES = re.compile(f"{_NAMES}|(.*_)?({_WORDS})")


def words(name: Name) -> set[str]:
    """The words of a name that tell sets of points apart."""
    return set(str(name).split("_")) - {"x", "pos", "z", "feat", "batch", "edge", "node", "index", "label"}


def is_integer(value: Any) -> bool:
    """Whether a value is a tensor of integers, which could count something."""
    if not isinstance(value, Tensor):
        return False
    return not (value.is_floating_point() or value.is_complex() or value.dtype == torch.bool)


def is_index_name(name: Name) -> bool:
    """Whether PyG takes a tensor of this name for node numbers (``Data.__inc__``)."""
    return "index" in str(name) or name == "face"


def is_feature_name(name: Name) -> bool:
    """Whether integers of this name are features, targets or counts, and not node numbers."""
    return _FEATURES.fullmatch(str(name)) is not None


def check_feature(name: Name, value: Any, num_nodes: int) -> None:
    """Raise ValueError for integers that may be node numbers, unless their name makes them features.

    Node numbers are integers below the number of nodes (waits for the device, where no name tells).
    """
    if not is_integer(value) or not value.numel() or is_index_name(name) or is_feature_name(name):
        return
    low, high = map(int, value.aminmax())
    if low >= -1 and 0 <= high < num_nodes and value.dtype in (torch.int32, torch.int64):
        raise ValueError(
            f"{name!r}: expected a declaration of these integers, which may be node numbers, found "
            f'{value.dtype} {list(value.shape)}: levels={{{name!r}: "index"}} for node numbers, "node_index" '
            'for node numbers in a row for each node, "node", "edge" or "graph" for features in rows of '
            'these, "shared" for what is the same for all'
        )


def owners(batch: Tensor, numbers: Tensor, name: Name) -> Tensor:
    """The graph of each entry of node numbers along the last axis; -1 stands for no node.

    Raises:
        ValueError: for nodes that there are not (seen on a CPU only).
    """
    if not is_integer(numbers) or not numbers.dim():
        raise ValueError(
            f"{name}: expected node numbers, int64 [..., n], found {numbers.dtype} {list(numbers.shape)}"
        )
    check_numbers(numbers, -1, len(batch), name)
    first = numbers if numbers.dim() == 1 else numbers.flatten(0, -2).amax(0)
    return batch.index_select(0, first.clamp(min=0))


def is_pairs(value: Any) -> bool:
    """Whether a value could be pairs of nodes, ``[2, P]``."""
    return (
        isinstance(value, Tensor) and value.layout == torch.strided and value.dim() == 2 and len(value) == 2
    )
