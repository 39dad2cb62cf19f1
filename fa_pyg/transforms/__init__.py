"""PyG transforms of declared attributes: random motions, canonical poses, stored frames."""

from fa_pyg.transforms.add_frames import AddFrames
from fa_pyg.transforms.motion import RandomMotion
from fa_pyg.transforms.node_degree import NodeDegree
from fa_pyg.transforms.node_id import NodeID
from fa_pyg.transforms.normalize_cloud import NormalizeCloud
from fa_pyg.transforms.pose import CanonicalPose
from fa_pyg.transforms.stored import data_frames

__all__ = [
    "AddFrames",
    "CanonicalPose",
    "NodeDegree",
    "NodeID",
    "NormalizeCloud",
    "RandomMotion",
    "data_frames",
]
