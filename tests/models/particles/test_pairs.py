"""Pairs are counted once, and what is summed over them is what loops over edges give."""

import torch

from fa_pyg.models.particles.pairs import Pairs, leapfrog


def test_a_pair_is_counted_once_whatever_its_edges():
    charge = torch.tensor([[1.0], [-1.0], [2.0]])
    both = torch.tensor([[0, 1, 1, 2, 2], [1, 0, 2, 1, 2]])  # and a self-loop
    one = torch.tensor([[1, 1], [0, 2]])
    for edges in (both, one, torch.cat([both, one], 1)):
        pairs = Pairs.of(charge, edges)
        assert pairs.ends.tolist() == [0, 1, 1, 2]
        assert pairs.charges.tolist() == [[-1.0], [-2.0]]
        assert Pairs.of(charge.flatten(), edges).charges.tolist() == [[-1.0], [-2.0]]


def test_totals_equal_loops(charged):
    inputs = charged()
    pairs, x = Pairs.of(inputs["charge"], inputs["edge_index"]), inputs["pos"]
    total = torch.zeros_like(x)
    for i, j in inputs["edge_index"].T.tolist():
        total[i] += inputs["charge"][i] * inputs["charge"][j] * (x[i] - x[j])
    torch.testing.assert_close(pairs.total(pairs.charges * pairs.difference(x)), total)


def test_without_edges_nothing_acts():
    pairs = Pairs.of(torch.ones(2, 1), torch.zeros(2, 0, dtype=torch.long))
    assert not pairs.total(pairs.difference(torch.randn(2, 3))).any()


def test_leapfrog_of_a_spring_is_of_second_order():
    errors = []
    for steps in (50, 100):
        h = 1 / steps
        v = torch.tensor([h / 2], dtype=torch.float64)  # of x = cos t, half a step before 0
        x, _ = leapfrog(torch.ones(1, dtype=torch.float64), v, torch.neg, 1.0, steps)
        errors.append((x - torch.tensor(1.0, dtype=torch.float64).cos()).abs().item())
    assert 3.8 < errors[0] / errors[1] < 4.2
