"""Each sample written in one frame of its own."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.data import Data

from fa_pyg.builders import Cloud
from fa_pyg.frames import Frames
from fa_pyg.math.linalg import scatter_sum
from fa_pyg.transforms.orders import GraphReading
from fa_pyg.transforms.reading import FrameTransform
from fa_pyg.transforms.stored import check_free, store_frames

__all__ = ["CanonicalPose", "heaviest"]

TIE = 1e-6  # relative difference of weights below which frames are equally heavy


class CanonicalPose(FrameTransform):
    r"""Writes the declared attributes of each graph in one of its frames, the same for all its moved copies.

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
        if isinstance(self.reading, GraphReading):
            return self.reading.in_first_frame(data)
        declared = self.reading.declared(data)
        declared.warn_undeclared(self)
        cloud = declared.cloud(self.reading.reads, self.reading.node_weight)
        pose = heaviest(self.reading.frame.evaluate(cloud), cloud)
        declared.moved(pose, back=True)
        return store_frames(declared, pose, "pose")


def heaviest(frames: Frames, cloud: Cloud) -> Frames:
    """Returns one of the frames of each body: the heaviest, and of equally heavy ones the most skewed."""
    most = frames.weight.new_zeros(frames.num_bodies)
    most = most.scatter_reduce(0, frames.body, frames.weight, "amax").index_select(0, frames.body)
    score = skewness(frames, cloud).masked_fill(frames.weight < (1 - TIE) * most, -torch.inf)
    order = torch.argsort(score, descending=True, stable=True)
    order = order[torch.argsort(frames.body[order], stable=True)]  # body by body, each by falling score
    first = order[frames.counts.cumsum(0) - frames.counts]
    return Frames.uniform(frames.rotation[first].unsqueeze(0), frames.origin, frames.batch)


def skewness(frames: Frames, cloud: Cloud) -> Tensor:
    """The sum of the third moments of what is read, in each frame, ``[F]``."""
    total = 0
    for quantity in cloud.read:
        rows, index, weight = cloud.rows(quantity)
        cubes = frames.to_frame(rows, quantity.rep, index).pow(3).sum(-1)
        row, frame = frames.rows(index, len(rows))
        cubes = cubes if weight is None else cubes * weight.index_select(0, row)
        total = total + scatter_sum(cubes, frame, frames.num_frames)
    return total.detach()
