"""Vectors of each graph from any network in frames: a strong net for learned frames."""

from __future__ import annotations

from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.builders import Frame, PCAFrame
from fa_pyg.nn.averaging import FrameAveraging
from fa_pyg.reps import Rep

__all__ = ["FramedVectors"]


class FramedVectors(nn.Module):
    r"""Equivariant vectors of each graph from any network, by frame averaging: ``net=`` of a learned frame.

    .. math:: v(x) = \sum_{g \in F(x)} w_g\, R_g\, \Phi(g^{-1} x)

    A :class:`~fa_pyg.LearnedFrame` (Kaba et al. 2023) needs an equivariant network. This is one made of a
    plain one, such as the architecture that is to be adapted itself, much smaller:

    .. code-block:: python

        net = FramedVectors(PointNet(width=0.1, num_classes=6), PCAFrame("SO(3)"))
        model = FrameAveraging(pretrained, LearnedFrame("SE(3)", net))

    In contrast to :class:`fa_pyg.builders.VectorNet`, the vectors of a mirror-symmetric cloud need not lie in
    its mirror plane if the frame is of rotations: then every pose can be learned, with any axes.

    Args:
        model: called ``model(pos, batch)``, returns ``[B, k * d]``: k vectors, k = d - 1 for ``"SE(d)"`` and
            k = d for ``"E(d)"``.
        frame: a frame of ``"SO(d)"`` for ``LearnedFrame("SE(d)")``, of ``"O(d)"`` for
            ``LearnedFrame("E(d)")``; default ``PCAFrame("SO(3)")``.

    Shapes:
        vectors ``[N, C, d]``, given to the model as ``[N, d]`` if C = 1; scalars ``[N, 1]``, the weights of
        nodes in the frame; batch ``[N]``; returns ``[B, k, d]``.

    Raises:
        ValueError: for arguments of other types; as :class:`~fa_pyg.FrameAveraging` and the model.

    Not guaranteed: more than the frame guarantees. The model does not see the weights of the nodes.
    """

    def __init__(self, model: nn.Module, frame: Frame | None = None) -> None:
        super().__init__()
        checks.instance("model", model, nn.Module, "a torch.nn.Module")
        checks.instance("frame", frame, Frame, 'a frame such as PCAFrame("SO(3)")', optional=True)
        self.averaging = FrameAveraging(
            _Alone(model),
            PCAFrame("SO(3)") if frame is None else frame,
            inputs={"vectors": "vector"},
            output=Rep(rank=1, flat=True),
            node_weight="scalars",
            level="graph",
        )

    def forward(self, vectors: Tensor, scalars: Tensor, batch: Tensor, num_graphs: int) -> Tensor:
        out = self.averaging(vectors, scalars.squeeze(-1), batch)
        return out.unflatten(-1, (-1, vectors.size(-1)))


class _Alone(nn.Module):
    """The model, called with points ``[N, d]`` where there is one vector per node."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, vectors: Tensor, scalars: Tensor, batch: Tensor) -> Tensor:
        return self.model(vectors.squeeze(1) if vectors.size(1) == 1 else vectors, batch)
