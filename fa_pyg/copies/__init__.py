"""Copies of a call's batch, several frames a graph, by PyG's own naming rules."""

from fa_pyg.copies.call import Call, Name, Signature
from fa_pyg.copies.copies import Copies, Slots
from fa_pyg.copies.layout import LEVELS, Layout
from fa_pyg.copies.names import KEPT, NODE_NAMES, check_feature, is_feature_name, is_index_name
from fa_pyg.copies.sizes import check_batch, check_edges, graph_count

__all__ = [
    "KEPT",
    "LEVELS",
    "NODE_NAMES",
    "Call",
    "Copies",
    "Layout",
    "Name",
    "Signature",
    "Slots",
    "check_batch",
    "check_edges",
    "check_feature",
    "graph_count",
    "is_feature_name",
    "is_index_name",
]
