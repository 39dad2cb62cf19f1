"""Power laws of validation errors: exact ones are found, and where they mean nothing there is none."""

import pytest
import torch

from fa_pyg.train.nbody.extrapolate import extrapolation, fit

EPOCHS = torch.arange(5, 1001, 5)
NOISE = 0.03 * torch.randn(200, dtype=torch.double, generator=torch.Generator().manual_seed(0))


def law(exponent, noise=0.0):
    return 3 * EPOCHS.double() ** -exponent * (noise * NOISE).exp()


def test_an_exact_law_is_continued():
    found = extrapolation(EPOCHS, law(0.4), 1000, 4000)
    assert found.exponent == pytest.approx(0.4)
    assert found.error == pytest.approx(0, abs=1e-6)
    assert found(4000) == pytest.approx(3 * 4000**-0.4)
    assert found.factor(4000) == pytest.approx(4**-0.4)


def test_the_fit_is_least_squares_on_the_second_half():
    val = law(0.4, noise=1.0)
    val[:99] = 7.0  # t < 500
    some = EPOCHS > 500
    a = torch.stack([torch.ones(100).double(), EPOCHS[some].double().log()], 1)
    solution = torch.linalg.lstsq(a, val[some].log()).solution
    found = fit(EPOCHS, val, 1000)
    assert found.exponent == pytest.approx(-float(solution[1]))
    assert found(2000) == pytest.approx(float((solution[0] + solution[1] * torch.tensor(2000.0).log()).exp()))
    residual = val[some].log() - a @ solution
    covariance = residual.square().sum() / 98 * torch.linalg.inv(a.T @ a)
    assert found.error == pytest.approx(float(covariance[1, 1].sqrt()))


def test_a_noisy_law_is_continued_too():
    assert extrapolation(EPOCHS, law(0.4, noise=1.0), 1000, 4000).exponent == pytest.approx(0.4, abs=0.06)


def with_floor():
    """Falls fast, then hardly: the first half does not predict the end."""
    return 1 + 100 * torch.exp(-EPOCHS.double() / 120)


@pytest.mark.parametrize(
    ("val", "last", "to"),
    [
        (law(0.4), 1000, 4001),  # too far
        (law(0.4), 1000, 1000),  # nowhere
        (law(0.4)[:15], 75, 150),  # too few points
        (law(-0.1), 1000, 2000),  # it rises
        (law(0.001, noise=3.0), 1000, 2000),  # noise alone
        (with_floor(), 1000, 2000),
        (law(0.4).index_fill(0, torch.tensor([150]), float("nan")), 1000, 2000),
        (law(0.4).index_fill(0, torch.tensor([150]), 0.0), 1000, 2000),
        (law(0.4)[:0], 1000, 2000),
    ],
)
def test_no_law_where_it_means_nothing(val, last, to):
    assert extrapolation(EPOCHS[: len(val)], val, last, to) is None
