"""Copies of many rows are made block by block; where something is differentiated, at once."""

import pytest
import torch

from fa_pyg import PCAFrame, Rep


def test_a_scale_with_a_gradient():
    pos = torch.randn(20_000, 3, dtype=torch.float64)
    scale = torch.full((1,), 2.0, dtype=torch.float64, requires_grad=True)
    frames = PCAFrame("E(3)")(pos)
    copies = frames.with_similarity(scale, None).to_frame(pos, Rep(rank=1, scale=1), level="node")
    copies.sum().backward()
    plain = frames.to_frame(pos, "vector", level="node")
    assert torch.allclose(copies, plain / 2)
    assert torch.allclose(scale.grad, -plain.sum() / 4)


def test_blocks_are_the_same_as_all_rows_at_once():
    pos = torch.randn(40_001, 3) + 1e3
    batch = torch.arange(7).repeat_interleave(6000)[: len(pos)]
    for given in (None, batch):
        frames = PCAFrame("SE(3)")(pos, batch=given)
        blocks = frames.to_frame(pos, "point")
        whole = frames.to_frame(pos.clone().requires_grad_(), "point")
        assert torch.equal(blocks, whole) or (blocks - whole).abs().max() < 1e-5


@pytest.mark.parametrize("kind", ["signed", "explicit"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_one_large_cloud_far_away(kind, dtype):
    """Its copies are those of its parts, which are small, up to the rounding of their type."""
    pos = (torch.randn(33_001, 3) * torch.tensor([1.0, 2.0, 3.0])).to(dtype)
    pos = pos + (0 if dtype == torch.float16 else 1e6)
    frames = PCAFrame("SE(3)")(pos)
    frames = frames if kind == "signed" else frames.explicit()
    copies = frames.to_frame(pos, "point").view(frames.slots, -1, 3)
    exact = (pos.double() - frames.origin) @ frames.rotation
    assert copies.dtype is dtype
    # Of float64 the differences to the origin, which are exact, are rotated.
    allowed = {torch.float16: 2e-2, torch.float32: 3e-6, torch.float64: 1e-13}[dtype]
    assert (copies.double() - exact).abs().max() < allowed
    parts = [frames.to_frame(part, "point").view(frames.slots, -1, 3) for part in pos.split(9000)]
    assert (torch.cat(parts, 1).double() - exact).abs().max() < allowed


def test_a_nan_of_a_large_cloud_stays_in_its_row():
    pos, x = torch.randn(2, 33_001, 3)
    frames = PCAFrame("E(3)")(pos)
    x[20_001, 1] = torch.nan
    bad = frames.to_frame(x, "vector", level="node").view(8, -1, 3).isnan().any(-1)
    assert bad.nonzero()[:, 1].tolist() == [20_001] * 8
