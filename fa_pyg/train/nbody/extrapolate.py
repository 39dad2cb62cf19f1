"""Extrapolation of validation errors to more epochs by a power law, where that means something."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

__all__ = ["PowerLaw", "extrapolation", "fit"]

POINTS = 10  # least number of validation errors in a fit
FARTHEST = 4.0  # times the epochs that were run
SIGMAS = 2.0  # least exponent, in standard errors
TOLERANCE = 1.15  # largest factor by which a fit of the first half may miss the end of the run


@dataclass(frozen=True)
class PowerLaw:
    r"""Power law of the error E after t epochs.

    .. math:: E(t) = E(T) (t / T)^{-b}

    Attributes:
        last: T, the number of epochs of the run.
        level: E(T) of the fit.
        exponent: b.
        error: standard error of b.
    """

    last: float
    level: float
    exponent: float
    error: float

    def factor(self, epochs: float) -> float:
        """Return E(epochs) / E(T)."""
        return (epochs / self.last) ** -self.exponent

    def __call__(self, epochs: float) -> float:
        return self.level * self.factor(epochs)


def fit(epochs: Tensor, val: Tensor, last: float) -> PowerLaw | None:
    """Fit a power law to the validation errors of the second half of the first ``last`` epochs.

    Least squares of log E over log t, for last / 2 < t <= last.

    Returns:
        None with fewer than ten errors there, or errors that are not positive numbers.
    """
    some = (epochs > last / 2) & (epochs <= last)
    t, error = epochs[some].double(), val[some].double()
    if len(t) < POINTS or not bool((error.isfinite() & (error > 0)).all()):
        return None
    x, y = (t / last).log(), error.log()
    dx, dy = x - x.mean(), y - y.mean()
    slope = float((dx * dy).sum() / (dx * dx).sum())
    residual = dy - slope * dx
    spread = float((residual.square().sum() / (len(t) - 2) / dx.square().sum()).sqrt())
    return PowerLaw(float(last), math.exp(float(y.mean() - slope * x.mean())), -slope, spread)


def extrapolation(epochs: Tensor, val: Tensor, last: int, to: int) -> PowerLaw | None:
    """Return the power law of a run, if it means something at ``to`` epochs.

    It does if these are at most four times those of the run; if the error still falls, by an exponent above
    twice its standard error; and if a fit of the first half of the run, made in the same way, agrees with the
    last tenth of the run within 15 %.

    Args:
        epochs, val: validation errors ``[T]`` and their epochs, of a training at a constant learning rate: a
            schedule lets the error fall to its own end.
        last: epochs of the run.
        to: more epochs.

    Not guaranteed: that the law holds that long. It has no floor, so that it rather promises too much, and
    the standard error takes the residuals for independent.
    """
    law, early = fit(epochs, val, last), fit(epochs, val, last / 2)
    end = val[(epochs > 0.9 * last) & (epochs <= last)].double()
    if law is None or early is None or not last < to <= FARTHEST * last or not len(end):
        return None
    missed = abs(math.log(early(last)) - float(end.log().mean()))
    falls = law.exponent > SIGMAS * law.error
    return law if falls and missed <= math.log(TOLERANCE) else None
