"""Copies of many rows are made block by block; where something is differentiated, at once."""

import torch

from fa_pyg import PCAFrame, Rep
from fa_pyg.math import linalg


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


def test_minus_has_one_type_for_all_sizes():
    for n in (10, 50_000):
        x, row = torch.randn(n, 3), torch.randn(1, 3, dtype=torch.float64)
        assert linalg.minus(x, row, None).dtype is torch.float64
        assert torch.equal(linalg.minus(x.double(), row, None), x.double() - row)
