"""Channels of several representations, concatenated in a frame."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.builders.local import check_shape
from fa_pyg.frames import Frames
from fa_pyg.reps import Rep, RepLike

__all__ = ["Channels"]


class Channels:
    """Channels of several representations, concatenated in a frame.

    Args:
        name: the name of the argument, for errors.
        channels: the number of channels of each representation.
        dim: d.
    """

    def __init__(self, name: str, channels: Mapping[RepLike, int], dim: int) -> None:
        if not isinstance(channels, Mapping) or not channels:
            checks.refuse(name, 'channels such as {"scalar": 16, "vector": 8}', channels)
        self.name, self.channels, self.dim = name, dict(channels), dim
        self.reps = {key: Rep.of(key, name) for key in channels}
        for key, rep in self.reps.items():
            count = channels[key]
            if rep.affine or rep.flat:
                raise ValueError(f"{name}: expected channels that are neither points nor flat, found {rep}")
            checks.size(f"{name}[{key!r}]", count)
        self.sizes = [count * dim ** self.reps[key].rank for key, count in channels.items()]
        self.width = sum(self.sizes)

    def shape(self, key: RepLike) -> tuple[int, ...]:
        """Return the shape of the features of a key, without the axis of rows."""
        return self.channels[key], *(self.dim,) * self.reps[key].rank

    def check(self, features: Mapping[RepLike, Tensor], n: int) -> None:
        """Raise ValueError unless features have these channels and n rows."""
        if not isinstance(features, Mapping) or set(features) != set(self.channels):
            found = list(features) if isinstance(features, Mapping) else type(features).__name__
            raise ValueError(f"features: expected {list(self.channels)}, found {found}")
        for key, x in features.items():
            check_shape(f"features[{key!r}]", x, n, *self.shape(key))

    def framed(
        self, features: Mapping[RepLike, Tensor], frames: Frames, body: Tensor, rows: Tensor | None = None
    ) -> Tensor:
        """Return features (or some rows of them) in the frames of the given bodies, ``[M, width]``."""
        given = (features[key] for key in self.channels)
        rowed = (x if rows is None else x.index_select(0, rows) for x in given)
        parts = [frames.to_frame(x, rep, body) for x, rep in zip(rowed, self.reps.values(), strict=True)]
        return torch.cat([x.flatten(1) for x in parts], dim=1)

    def averaged(self, y: Tensor, frames: Frames, body: Tensor) -> dict[RepLike, Tensor]:
        """Return ``y [M, width]``, rotated back and averaged, by key."""
        parts = zip(self.reps.items(), y.split(self.sizes, dim=1), strict=True)
        return {key: frames.average(x.unflatten(1, self.shape(key)), rep, body) for (key, rep), x in parts}

    def __str__(self) -> str:
        return f"{self.name}={self.channels}"
