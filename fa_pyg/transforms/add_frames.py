"""Frames computed when data are loaded, and stored as attributes."""

from __future__ import annotations

from torch_geometric.data import Data
from torch_geometric.data.datapipes import functional_transform

from fa_pyg.transforms.reading import FrameTransform

__all__ = ["AddFrames"]


@functional_transform("add_frames")
class AddFrames(FrameTransform):
    """Compute the frames of each graph and store them in the data, e.g. in the workers of a loader.

    .. code-block:: python

        dataset = XYZ(folder, pre_transform=AddFrames(frame))     # once, or transform=: in the workers
        for batch in DataLoader(dataset, batch_size=32, num_workers=2):
            out = model(batch, frames=data_frames(batch))         # a FrameAveraging; computes no frames

    This must be the last transform: moving the data afterwards invalidates the frames (the transforms of this
    package raise instead). Frames of a graph are the same, up to rounding, in a Batch, but a Batch at a time
    is many times faster than single graphs.

    Args:
        frame: e.g. ``PCAFrame("E(3)")``. Random frames (``Sample``, ``HaarFrame`` in training mode) are
            drawn when this transform runs; prefer storing all, with ``data_frames(batch).sample(1)`` in each
            step.
        inputs: the representation of each attribute that transforms; default points in ``pos``.
        reads: the attributes that the axes are computed from; default the first.
        node_weight: as in :class:`~fa_pyg.FrameAveraging`: default "auto", integers ``z`` where there are.
        levels: as in :class:`~fa_pyg.transforms.RandomMotion`.

    Shapes:
        adds ``frame_rotation``, ``frame_weight``, ``frame_count`` and, where the frames have them,
        ``frame_origin`` and ``frame_exact``; of S(n) ``frame_order`` instead of a rotation, ``frame_orbit``,
        ``frame_edge_orbit`` and ``frame_color``: see :func:`~fa_pyg.transforms.data_frames`.

    Raises:
        ValueError: for an attribute that is missing or of another shape or type; and for one that requires a
            gradient, or a frame with trainable parameters: stored frames carry *no gradient*, so that forces
            through them would be wrong. For forces, compute frames in the model.
    """

    def forward(self, data: Data) -> Data:
        self._check_frozen()
        return self.attributes.with_frames(data)

    def _check_frozen(self) -> None:
        if any(p.requires_grad for p in self.frame.parameters()):
            raise ValueError(
                f"frame: expected a frame without trainable parameters, found {self.frame}: stored frames "
                "carry no gradient. Compute them in the model, or freeze it by requires_grad_(False)"
            )
