"""Frames computed where the data are loaded, and kept with them."""

from __future__ import annotations

from torch_geometric.data import Data

from fa_pyg.transforms.reading import FrameTransform

__all__ = ["AddFrames"]


class AddFrames(FrameTransform):
    """Compute a frame of each graph and keeps it in the data, for instance in the workers of a loader.

    .. code-block:: python

        dataset = XYZ(folder, pre_transform=AddFrames(frame))     # once, or transform=: in the workers
        for batch in DataLoader(dataset, batch_size=32, num_workers=2):
            out = model(batch, frames=data_frames(batch))         # a FrameAveraging; computes no frames

    Make it the last transform: what moves the data afterwards makes the frames wrong (this package's own
    transforms refuse to). Frames are the same, up to rounding, in single graphs and in batches of them, but
    a Batch at a time is many times faster than its graphs one by one.

    Args:
        frame: e.g. ``PCAFrame("E(3)")``. Random ones in training mode (``Sample``, ``HaarFrame``) are drawn
            when this transform runs; rather keep all and draw in each step, ``data_frames(batch).sample(1)``.
        inputs: the representation of each attribute that transforms; default points in ``pos``.
        reads: those that the axes are made of; default the first.
        node_weight: as in :class:`~fa_pyg.FrameAveraging`: default "auto", integers ``z`` where there are.
        levels: as in :class:`~fa_pyg.transforms.RandomMotion`.

    Shapes:
        adds ``frame_rotation``, ``frame_weight``, ``frame_count`` and, where the frames have them,
        ``frame_origin`` and ``frame_exact``; of S(n) ``frame_order`` instead of a rotation, ``frame_orbit``,
        ``frame_edge_orbit`` and ``frame_color``: see :func:`~fa_pyg.transforms.data_frames`.

    Raises:
        ValueError: for an attribute that is missing or of another shape or type; and for one that requires a
            gradient, or a frame that has parameters to train: frames kept as numbers carry *no gradient*, so
            that forces taken through them would be wrong. Compute frames in the model for forces.
    """

    def forward(self, data: Data) -> Data:
        self._check_frozen()
        return self.attributes.with_frames(data)

    def _check_frozen(self) -> None:
        if any(p.requires_grad for p in self.frame.parameters()):
            raise ValueError(
                f"frame: found parameters to train in {self.frame}, expected none: stored frames "
                "carry no gradient. Compute them in the model, or freeze them by requires_grad_(False)"
            )
