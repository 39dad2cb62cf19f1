"""Weights of pairs fall to 0 at the cutoff with two derivatives."""

from __future__ import annotations

import pytest
import torch

from fa_pyg.neighbors.cutoffs import cubic_cutoff, polynomial_envelope
from fa_pyg.nn import smooth_cutoff

WEIGHTS = {"cubic": lambda x: cubic_cutoff(x.square()), "polynomial": polynomial_envelope}


@pytest.mark.parametrize("name", WEIGHTS)
def test_two_derivatives_vanish_at_the_cutoff(name):
    x = torch.tensor([0.0, 1.0, 1.5], dtype=torch.float64, requires_grad=True)
    u = WEIGHTS[name](x)
    assert u.tolist() == [1, 0, 0]
    first = torch.autograd.grad(u.sum(), x, create_graph=True)[0]
    second = torch.autograd.grad(first.sum(), x)[0]
    assert max(first.abs().max(), second[1:].abs().max()) < 1e-12
    assert (second[0].abs() < 1e-12) == (name == "polynomial")  # the cubic one is curved at 0


def test_the_layers_have_the_same_cutoff():
    x = torch.randn(20, 3, dtype=torch.float64)
    torch.testing.assert_close(smooth_cutoff(x, 2.0), cubic_cutoff((x / 2).square().sum(1)))
