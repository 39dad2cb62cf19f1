"""Statistics of a molecular data set: sizes, elements, targets, and energies per element."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch_geometric.data import Data

from fa_pyg.io.elements import SYMBOLS

__all__ = ["Statistics", "TargetStatistics", "statistics"]

CHUNK = 1024  # structures per step of the decomposition


@dataclass(frozen=True)
class TargetStatistics:
    """Statistics of a target over all its numbers, in the unit of the target.

    The last three are None unless the target is one number per structure. ``reference[symbol]`` is the
    contribution of an atom of an element, fitted by least squares; ``rest_mean`` and ``rest_std`` are those
    of the residual.
    """

    mean: float
    std: float
    least: float
    most: float
    reference: dict[str, float] | None = None
    rest_mean: float | None = None
    rest_std: float | None = None


@dataclass(frozen=True)
class Statistics:
    """Counts of structures by number of atoms, of atoms by element, and statistics of targets by name."""

    sizes: dict[int, int]
    elements: dict[str, int]
    targets: dict[str, TargetStatistics]

    @property
    def structures(self) -> int:
        """The number of structures."""
        return sum(self.sizes.values())

    @property
    def atoms(self) -> int:
        """The number of atoms."""
        return sum(self.elements.values())


def statistics(dataset: Iterable[Data], targets: Sequence[str] = ()) -> Statistics:
    r"""Compute the statistics of a data set, in one pass and in constant memory.

    For a target y with one number per structure, with n_z atoms of element z, this also solves

    .. math:: \min_e \sum_i (y_i - \sum_z n_{iz} e_z)^2

    by a QR decomposition in chunks of structures, in float64, so that energies of -1e4 eV that differ by
    0.01 eV keep their digits. Where elements always occur in the same proportions, the solution of least norm
    is taken. Standard deviations are those of the population.

    Args:
        dataset: Any data set or list of ``Data`` with ``z [N]``, such as the training split.
        targets: Names of attributes.

    Raises:
        ValueError: where there is no structure, or a target is missing or not finite.
    """
    sizes, elements = np.zeros(0, np.int64), np.zeros(len(SYMBOLS), np.int64)
    moments = {name: _Moments() for name in targets}
    fit = _Fit(targets)
    for number, data in enumerate(dataset):
        z = data.z.numpy()
        counts = np.bincount(z, minlength=len(SYMBOLS))
        elements += counts
        sizes = np.pad(sizes, (0, max(0, len(z) + 1 - len(sizes))))
        sizes[len(z)] += 1
        values = {name: _value(data, name, number) for name in targets}
        for name, value in values.items():
            moments[name].add(value)
        fit.add(counts, values)
    if not sizes.any():
        raise ValueError("dataset: expected at least one structure, found none")
    return Statistics(
        {int(n): int(sizes[n]) for n in np.flatnonzero(sizes)},
        {SYMBOLS[z]: int(elements[z]) for z in np.flatnonzero(elements)},
        {name: TargetStatistics(*moments[name].result(), *fit.result(name, elements)) for name in targets},
    )


def _value(data: Data, name: str, number: int) -> np.ndarray:
    where = data.get("source", f"structure {number}")
    if name not in data:
        raise ValueError(f"{where}: expected {name} in every structure, found none")
    value = np.asarray(data[name], dtype=np.float64).reshape(-1)
    if not value.size or not np.isfinite(value).all():
        raise ValueError(f"{where}: expected finite numbers for {name}, found others")
    return value


class _Moments:
    """Mean and variance of numbers that arrive in chunks, by Chan, Golub and LeVeque (1979)."""

    def __init__(self) -> None:
        self.count, self.mean, self.square, self.least, self.most = 0, 0.0, 0.0, np.inf, -np.inf

    def add(self, values: np.ndarray) -> None:
        mean, total = values.mean(), self.count + len(values)
        shift = mean - self.mean
        self.square += ((values - mean) ** 2).sum() + shift**2 * self.count * len(values) / total
        self.mean, self.count = self.mean + shift * len(values) / total, total
        self.least, self.most = min(self.least, values.min()), max(self.most, values.max())

    def result(self) -> tuple[float, float, float, float]:
        std = float(np.sqrt(self.square / self.count))
        return float(self.mean), std, float(self.least), float(self.most)


class _Fit:
    """Least squares of targets on counts of elements, by R of the rows ``[counts, 1, targets]``."""

    def __init__(self, targets: Sequence[str]) -> None:
        self.targets = {name: i for i, name in enumerate(targets)}
        self.single = dict.fromkeys(targets, True)
        self.columns = len(SYMBOLS) + 1 + len(self.targets)
        self.rows = []
        self.r: np.ndarray = np.zeros((0, self.columns))
        self.sums: np.ndarray = np.zeros(self.columns)

    def add(self, counts: np.ndarray, values: dict[str, np.ndarray]) -> None:
        if not any(self.single.values()):
            return
        for name, value in values.items():
            self.single[name] &= len(value) == 1
        self.rows.append([*counts, 1.0, *(values[name][0] for name in self.targets)])
        if len(self.rows) == CHUNK:
            self._reduce()

    def result(
        self, name: str, elements: np.ndarray
    ) -> tuple[dict[str, float] | None, float | None, float | None]:
        """Return the contribution of each element, and mean and standard deviation of the residual."""
        if not self.single[name]:
            return None, None, None
        self._reduce()
        seen, ones = np.flatnonzero(elements), len(SYMBOLS)
        column = ones + 1 + self.targets[name]
        solution = np.linalg.lstsq(self.r[:, seen], self.r[:, column], rcond=None)[0]
        rest = self.r[:, column] - self.r[:, seen] @ solution
        count = self.sums[ones]
        mean = (self.sums[column] - self.sums[seen] @ solution) / count
        spread = np.linalg.norm(rest - mean * self.r[:, ones]) / np.sqrt(count)
        names = [SYMBOLS[z] for z in seen]
        return dict(zip(names, solution.tolist(), strict=True)), float(mean), float(spread)

    def _reduce(self) -> None:
        if self.rows:
            rows = np.array(self.rows, dtype=np.float64)
            self.sums, self.rows = self.sums + rows.sum(0), []
            triangle: Any = np.linalg.qr(np.concatenate([self.r, rows]), mode="r")
            self.r = triangle
