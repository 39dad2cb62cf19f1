"""Canonical pose: each sample in a single frame."""

from __future__ import annotations

from torch_geometric.data import Data
from torch_geometric.data.datapipes import functional_transform

from fa_pyg.transforms.attributes import heaviest
from fa_pyg.transforms.reading import FrameTransform
from fa_pyg.transforms.stored import check_free

__all__ = ["CanonicalPose", "heaviest"]


@functional_transform("canonical_pose")
class CanonicalPose(FrameTransform):
    r"""Write the declared attributes of each graph in one of its frames, the same for all moved copies.

    .. math:: x \mapsto \rho(g)^{-1} x, \qquad g = \operatorname*{arg\,max}_{g \in F(x)}
              \Bigl(w_g,\ \textstyle\sum_{i, k} c_i \, (g^{-1} x_i)_k^3\Bigr)

    The frame of largest weight; among equal weights (the eight sign patterns of ``PCAFrame``) the frame in
    which the points are most skewed towards positive coordinates: an invariant choice. The pose is stored,
    so that a prediction can be rotated back:

    .. code-block:: python

        force = data_frames(batch, "pose").from_frame(model(batch), "vector")

    ``CanonicalPose(Sample(frame))`` poses in a frame drawn at random.

    With a frame of S(n) the graph is permuted, with all its nodes and edges:
    ``CanonicalPose(CanonicalFrame("S(n)"))`` makes isomorphic graphs equal, and
    ``CanonicalPose(RandomNodeFrame())`` draws a random order of the nodes. Uses the first order of several.

    Args:
        frame: e.g. ``PCAFrame("E(3)")``.
        inputs: the representation of each attribute that transforms, including targets; default points in
            ``pos``. Others stay, with a warning if they have the shape of vectors, unless declared "scalar".
        reads: the attributes that the axes are computed from; default the first.
        node_weight: as in :class:`~fa_pyg.FrameAveraging`: default "auto", integers ``z`` where there are.
        levels: as in :class:`~fa_pyg.transforms.RandomMotion`.

    Shapes:
        adds ``pose_rotation [B, d, d]``, ``pose_weight [B]`` (ones), ``pose_count [B]`` (ones) and, in groups
        that translate, ``pose_origin [B, d]``; in groups that scale, ``pose_scale [B]``, in those that boost,
        ``pose_velocity [B, d]``.

    Raises:
        ValueError: for an attribute that is missing or of another shape or type, or if the data holds frames.

    Not guaranteed: more than the frame guarantees, nor continuity, which is impossible with a single frame
    (Dym et al. 2024): where eigenvalues coincide or a skewness vanishes, poses jump. A cloud that equals its
    mirror image has two equivalent poses; they differ in further attributes only.
    """

    def forward(self, data: Data) -> Data:
        check_free(data)
        return self.attributes.in_one_frame(data, self)
