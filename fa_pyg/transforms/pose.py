"""Each sample written in one frame of its own."""

from __future__ import annotations

from torch_geometric.data import Data

from fa_pyg.transforms.attributes import heaviest
from fa_pyg.transforms.reading import FrameTransform
from fa_pyg.transforms.stored import check_free

__all__ = ["CanonicalPose", "heaviest"]


class CanonicalPose(FrameTransform):
    r"""Write the declared attributes of each graph in one of its frames, the same for all its moved copies.

    .. math:: x \mapsto \rho(g)^{-1} x, \qquad g = \operatorname*{arg\,max}_{g \in F(x)}
              \Bigl(w_g,\ \textstyle\sum_{i, k} c_i \, (g^{-1} x_i)_k^3\Bigr)

    The heaviest frame, and of equally heavy ones (the eight sign patterns of ``PCAFrame``) that in which the
    points are skewed most towards positive coordinates: an invariant choice. The pose is kept, so that a
    prediction can be turned back:

    .. code-block:: python

        force = data_frames(batch, "pose").from_frame(model(batch), "vector")

    ``CanonicalPose(Sample(frame))`` poses in a frame drawn at random.

    With a frame of S(n) it is the graph that takes another order, with all its nodes and edges:
    ``CanonicalPose(CanonicalFrame("S(n)"))`` makes isomorphic graphs equal, and
    ``CanonicalPose(RandomNodeFrame())`` numbers nodes at random. Of several orders it takes the first.

    Args:
        frame: e.g. ``PCAFrame("E(3)")``; of several elements one is taken, as above.
        inputs: the representation of each attribute that transforms, targets too; default points in ``pos``.
            What is not declared stays, with a warning where it has the shape of vectors, unless "scalar".
        reads: those that the axes are made of; default the first.
        node_weight: as in :class:`~fa_pyg.FrameAveraging`: default "auto", integers ``z`` where there are.
        levels: as in :class:`~fa_pyg.transforms.RandomMotion`.

    Shapes:
        adds ``pose_rotation [B, d, d]``, ``pose_weight [B]`` (ones), ``pose_count [B]`` (ones) and, in groups
        that translate, ``pose_origin [B, d]``.

    Raises:
        ValueError: for an attribute that is missing or of another shape or type, or if the data holds frames.

    Not guaranteed: more than the frame guarantees, nor continuity, which no choice of one frame has (Dym et
    al. 2024): where eigenvalues coincide or a skewness vanishes, poses jump. Of a cloud that is its own
    mirror image, two poses are equally good; they differ in further attributes only.
    """

    def forward(self, data: Data) -> Data:
        check_free(data)
        return self.attributes.in_one_frame(data, self)
