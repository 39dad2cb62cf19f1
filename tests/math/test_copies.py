"""Copies in all patterns of signs against a loop over the patterns."""

import pytest
import torch

from fa_pyg.math.copies import signed_copies

SIGNS = torch.cartesian_prod(*[torch.tensor([1.0, -1.0])] * 3)


@pytest.mark.parametrize("rows", [1365, 1366, 5000, 5001])  # short and long ones, beginning anywhere
@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("needs_gradient", [False, True])
def test_signed_copies(rows, axes, needs_gradient):
    pattern = SIGNS if axes == 1 else SIGNS[:, :, None] * SIGNS[:, None, :]
    x = torch.randn(rows, 2, *[3] * axes, requires_grad=needs_gradient)
    copies = signed_copies(x, pattern[:, None, None])
    assert torch.equal(copies, torch.stack([x * one for one in pattern]))
    out = torch.empty(8, rows + 7, *x.shape[1:])
    with torch.no_grad():
        signed_copies(x, pattern[:, None, None], out[:, 7:])
    assert torch.equal(out[:, 7:], copies)
    if needs_gradient:
        weight = torch.randn_like(copies)
        (grad,) = torch.autograd.grad(copies, x, weight)
        assert torch.allclose(grad, (pattern[:, None, None] * weight).sum(0), atol=1e-5)


def test_copies_of_a_view():
    x = torch.randn(3, 5000).mT
    assert torch.equal(signed_copies(x, SIGNS[:, None]), x * SIGNS[:, None])
