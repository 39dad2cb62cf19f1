"""Frames of the same axes with all their signs give what the same matrices give, one by one."""

import itertools
from dataclasses import replace

import pytest
import torch

from fa_pyg.frames import Frames, SignedFrames

BATCH = torch.tensor([0, 1, 0, 1, 1])
SIGNS = torch.tensor(list(itertools.product((1.0, -1.0), repeat=3)), dtype=torch.float64)


@pytest.fixture
def frames():
    axes = torch.linalg.qr(torch.randn(2, 3, 3, dtype=torch.float64)).Q
    return Frames.signed(axes, SIGNS, torch.randn(2, 3, dtype=torch.float64), BATCH)


@pytest.mark.parametrize("rep", ["scalar", "pseudoscalar", "vector", "pseudovector", "point", "tensor"])
def test_they_are_the_explicit_frames(frames, rep):
    x = torch.randn(5, *(3,) * {"tensor": 2}.get(rep, "scalar" not in rep), dtype=torch.float64)
    if "scalar" in rep:
        x = x.reshape(5, 1)
    explicit = frames.explicit()
    y = frames.to_frame(x, rep)
    torch.testing.assert_close(y, explicit.to_frame(x, rep))
    torch.testing.assert_close(frames.from_frame(y, rep), explicit.from_frame(y, rep))
    torch.testing.assert_close(frames.average(y.sin(), rep), explicit.average(y.sin(), rep))


def test_they_are_frames_whose_parts_can_be_replaced_once_explicit(frames):
    assert isinstance(frames, SignedFrames)
    assert isinstance(frames, Frames)
    weight = torch.zeros(16, dtype=torch.float64).index_fill_(0, torch.arange(2), 1)
    x = torch.randn(5, 3, dtype=torch.float64)
    y = frames.to_frame(x)
    first = replace(frames.explicit(), weight=weight).average(y.exp(), "vector")
    torch.testing.assert_close(first, frames.from_frame(y.exp())[:5])
    assert not torch.allclose(first, frames.average(y.exp(), "vector"))
