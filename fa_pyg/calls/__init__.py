"""Arguments of a model's call by name, their levels, and the inputs that a frame reads."""

from fa_pyg.calls.call import Call, Name, Named, Signature
from fa_pyg.calls.layout import LEVELS, Layout
from fa_pyg.calls.motion import MotionReading
from fa_pyg.calls.names import KEPT, NODE_NAMES, check_feature, is_feature_name, is_index_name
from fa_pyg.calls.permutation import GraphReading
from fa_pyg.calls.reading import Reading

__all__ = [
    "KEPT",
    "LEVELS",
    "NODE_NAMES",
    "Call",
    "GraphReading",
    "Layout",
    "MotionReading",
    "Name",
    "Named",
    "Reading",
    "Signature",
    "check_feature",
    "is_feature_name",
    "is_index_name",
]
