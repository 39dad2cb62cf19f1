"""Sparse projections against bisection, their gradients, and ragged ones against dense ones."""

import math

import pytest
import torch

from fa_pyg.math.projections import Projection, entmax15, ragged, sparsemax

DENSE = {1: sparsemax, 2: entmax15}


def oracle(score, power):
    """p = max(z / power - theta, 0)^power by bisection on theta, one vector."""
    z = score.double() / power
    low, high = z.max() - 1, z.max()
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if ((z - middle).clamp(min=0) ** power).sum() >= 1 else (low, middle)
    return (z - low).clamp(min=0) ** power


def scores(n, seed=0, spread=1.0):
    return torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * spread


def both(score, power):
    """The dense projection, and the ragged one written densely."""
    place, weight = ragged(score, torch.zeros(len(score), dtype=torch.long), 1, power)
    return DENSE[power](score), torch.zeros_like(score).index_put((place,), weight)


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("spread", [1e-9, 0.1, 1.0, 10.0, 1e6])
def test_against_bisection(power, spread):
    for n, seed in ((1, 0), (2, 0), (3, 1), (8, 2), (8, 3), (100, 4), (3000, 5)):
        score = scores(n, seed, spread)
        expected = oracle(score, power)
        for found in both(score, power):
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)
            assert found.min() >= 0
            assert abs(found.sum() - 1) < 1e-12
    # It is no softmax: what is far below has no weight at all.
    assert (oracle(scores(100, 4, 10.0), power) == 0).sum() > 90


@pytest.mark.parametrize("power", [1, 2])
def test_many_entries(power):
    score = scores(100_000, spread=0.01)
    score[:500] = score.max()
    expected = oracle(score, power)
    assert (expected > 0).sum() >= 500
    for found in both(score, power):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
        assert abs(found.sum() - 1) < 1e-10


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("n", [1, 2, 3, 48, 1000])
def test_ties_share_equally(power, n):
    for score in (torch.zeros(n), torch.full((n,), 1e8), torch.full((n,), -1e-8)):
        score = torch.cat([score.double(), torch.tensor([score[0] - 5.0])])
        for found in both(score, power):
            torch.testing.assert_close(
                found[:n], torch.full((n,), 1 / n, dtype=score.dtype), rtol=1e-12, atol=0
            )
            assert found[n] == 0


@pytest.mark.parametrize("power", [1, 2])
def test_minus_infinity_has_weight_0_and_no_effect(power):
    score = scores(6)
    padded = torch.cat([score, torch.tensor([-math.inf, -math.inf])]).requires_grad_()
    for found, expected in zip(both(padded, power), both(score, power), strict=True):
        torch.testing.assert_close(found[:6], expected, rtol=1e-14, atol=0)
        assert found[6:].eq(0).all()
        (grad,) = torch.autograd.grad(found.pow(2).sum(), padded, retain_graph=True)
        assert grad.isfinite().all()
    only = torch.tensor([-math.inf, 3.0], dtype=torch.float64)
    assert all(found.tolist() == [0, 1] for found in both(only, power))


@pytest.mark.parametrize("power", [1, 2])
def test_a_nan_stays_in_its_vector(power):
    score = scores(12).view(3, 4)
    score[1, 2] = math.nan
    found = DENSE[power](score)
    assert found[1].isnan().any()
    torch.testing.assert_close(found[[0, 2]], DENSE[power](score[[0, 2]]))
    index = torch.arange(3).repeat_interleave(4)
    place, weight = ragged(score.flatten(), index, 3, power)
    assert weight.isfinite().all()
    kept = index[place] != 1
    expected = DENSE[power](score).flatten()[place[kept]]
    torch.testing.assert_close(weight[kept], expected)
    assert set(index[place[kept]].tolist()) == {0, 2}


@pytest.mark.parametrize("power", [1, 2])
def test_ragged_is_dense_vector_by_vector(power):
    index = torch.randint(0, 40, (600,), generator=torch.Generator().manual_seed(1))  # unsorted
    index[index == 7] = 8  # 7 has no score, 9 only -inf
    score = scores(600, spread=0.5)
    score[index == 9] = -math.inf
    place, weight = ragged(score, index, 41, power)
    assert (weight > 0).all()
    assert place.diff().min() > 0
    full = torch.zeros_like(score).index_put((place,), weight)
    for body in range(41):
        mine = index == body
        if body in (7, 9, 40):
            assert full[mine].eq(0).all()
        else:
            torch.testing.assert_close(full[mine], DENSE[power](score[mine]), rtol=0, atol=1e-13)
    assert [len(part) for part in ragged(score[:0], index[:0], 3, power)] == [0, 0]


def in_support(n, power, seed):
    """Scores some of which have weight, none of them close to losing or gaining it."""
    for trial in range(1000):
        score = scores(n, seed + 1000 * trial, 0.7)
        inside = oracle(score, power) > 0
        theta = (score[inside] / power - oracle(score, power)[inside] ** (1 / power)).mean()
        if (score / power - theta).abs().min() > 0.02 and 1 < inside.sum() < n:
            return score.requires_grad_()
    raise AssertionError("no such scores")


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("form", [0, 1], ids=["dense", "ragged"])
def test_gradients(power, form):
    for seed in range(3):
        score = in_support(6, power, seed)
        assert torch.autograd.gradcheck(lambda x: both(x, power)[form], score)
        assert torch.autograd.gradgradcheck(lambda x: both(x, power)[form], score)
        shifted = torch.autograd.functional.jacobian(lambda x: both(x, power)[form], score).sum(1)
        assert shifted.abs().max() < 1e-14  # adding a number to all scores changes nothing


def test_entmax_is_differentiable_where_a_score_enters_and_sparsemax_is_not():
    for power, smooth in ((1, False), (2, True)):
        # (a, 0) with theta = 0: the second score is about to enter.
        edge = torch.tensor([float(power), 0.0], dtype=torch.float64)

        def slope(t, power=power, edge=edge):
            x = (edge + torch.tensor([0.0, t], dtype=torch.float64)).requires_grad_()
            return torch.autograd.grad(both(x, power)[0][1], x)[0][1]

        jump = slope(1e-6) - slope(-1e-6)
        assert (jump.abs() < 1e-5) == smooth
        steps = [both(edge + torch.tensor([0.0, t]), power)[0][1] for t in (-1e-6, 1e-6)]
        assert abs(steps[1] - steps[0]) < 1e-5  # both are continuous


@pytest.mark.parametrize("name", ["sparsemax", "entmax15"])
def test_temperature(name):
    score, sharp = scores(5), Projection(name, 0.1)
    power = Projection.POWERS[name]
    torch.testing.assert_close(sharp.dense(score), oracle(score / 0.1, power), rtol=0, atol=1e-9)
    place, weight = sharp.ragged(score, torch.zeros(5, dtype=torch.long), 1)
    torch.testing.assert_close(sharp.dense(score)[place], weight)
    counts = [(Projection(name, tau).dense(score) > 0).sum() for tau in (0.01, 1.0, 100.0)]
    assert counts[0] == 1
    assert counts[2] == 5


def test_float32_and_batches():
    score = scores(4 * 7).view(2, 2, 7)
    for power in (1, 2):
        each = torch.stack([oracle(row, power) for row in score.view(-1, 7)]).view(2, 2, 7)
        torch.testing.assert_close(DENSE[power](score), each, rtol=0, atol=1e-9)
        narrow = DENSE[power](score.float())
        assert narrow.dtype == torch.float32
        torch.testing.assert_close(narrow.double(), each, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["sparsemax", "entmax15"])
def test_two_alternatives_in_closed_form(name):
    projection = Projection(name, 0.3)
    score = torch.randn(200, 2, dtype=torch.float64, requires_grad=True)
    expected = projection.dense(score)[:, 0]
    found = projection.of_two(score[:, 0] - score[:, 1])
    assert expected.eq(0).any()
    assert ((expected > 0) & (expected < 1)).any()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-14)
    slopes = [torch.autograd.grad(x.sum(), score, retain_graph=True)[0] for x in (found, expected)]
    torch.testing.assert_close(*slopes, rtol=0, atol=1e-12)


@pytest.mark.parametrize("most", [None, 2.0])
@pytest.mark.parametrize("name", ["sparsemax", "entmax15"])
def test_largest_of_ragged_scores_in_fixed_shapes(name, most):
    g = torch.Generator().manual_seed(0)
    index = torch.randint(0, 9, (80,), generator=g)
    index[index == 4] = 5  # an empty simplex
    score = torch.randn(80, generator=g, dtype=torch.float64)
    score[index == 2] = 1.0  # ties
    score[index == 3] = -torch.inf
    projection = Projection(name, 0.8)
    place, weight = projection.ragged(score, index, 9, most)
    expected = torch.zeros_like(score).index_add(0, place, weight)
    k = int(torch.bincount(index).max())
    places, weights, count = projection.largest(score, index, 9, k, most)
    assert torch.equal(count, torch.bincount(index[place], minlength=9).to(count))
    assert places[:, 4].eq(80).all()
    assert count[[3, 4]].eq(0).all()
    assert (weights.diff(dim=0) <= 0).all()
    some = weights > 0
    found = torch.zeros_like(score).index_add(0, places[some], weights[some])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-13)
    fewer = projection.largest(score, index, 9, 2, most)
    assert torch.equal(fewer[1], weights[:2])
    assert torch.equal(fewer[2], count)
    assert (count > 2).any()
