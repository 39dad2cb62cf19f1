"""Steepness of framed energies: forces relative to those of the bare network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.calls import Name, Named
from fa_pyg.groups import GroupLike
from fa_pyg.reps import RepLike
from fa_pyg.testing.comparison import NODES, Comparison
from fa_pyg.testing.curvature import curvature
from fa_pyg.testing.energies import Inputs

__all__ = ["Steepness", "assert_smooth", "steepness"]


@dataclass(frozen=True)
class Steepness:
    """Largest forces of framed structures relative to the bare network, and the number of its runs.

    Attributes:
        largest, p99, median: over the structures; ``p99`` is the 99th percentile.
        runs, most_runs: frames per structure, mean and maximum; None for a model without a frame.
    """

    largest: float
    p99: float
    median: float
    runs: float | None = None
    most_runs: int | None = None


def steepness(
    model: Callable,
    inputs: Inputs,
    pos: Name = "pos",
    energy: Any = None,
    forces: Any = None,
    group: GroupLike = "auto",
    *,
    bare: Callable | None = None,
    input_reps: Named[RepLike] | None = None,
    sigma: float = 0.08,
    count: int = 200,
    nodes: int = NODES,
    seed: int = 0,
) -> Steepness:
    r"""Measure the forces of a framed model relative to those of the bare network.

    .. math:: \frac{\max_i \|\nabla_i \langle\Phi\rangle(x)\|}{\max_{x, i} \|\nabla_i \Phi(x)\|}

    over structures x: the input, displaced by Gaussian noise and randomly rotated. A frame whose weights
    change over a short distance adds forces, (difference of the network between frames) times (slope of the
    weights): 1 is as smooth as the network, 100 is a spike too narrow for any time step.

    Args:
        model: predicts an energy per graph; in evaluation mode, and in float64.
        inputs: arguments of the model, as in :func:`~fa_pyg.testing.assert_equivariant`: a structure or a
            batch. Other inputs stay the same, including ``edge_index``.
        pos: name of the positions ``[N, d]``, or index in a sequence.
        energy, forces: keys, if the model returns a dict or a tuple; forces default to
            ``-torch.autograd.grad`` of the energy.
        group: group of random rotations; "auto" for that of the frame of the model, E(d) for other models.
        bare: network to compare with, with the same arguments. Default, for a model with a single
            :class:`~fa_pyg.FrameAveraging`: its network, with the centroid in the origin if the group has
            translations.
        input_reps: inputs that rotate; default those that a framed model declares, ``{"pos": "point"}`` for
            others.
        sigma: standard deviation of the noise of a coordinate, in units of the positions.
        count: number of structures for each graph of the input.
        nodes: number of nodes in a call of the model, to bound memory; without ``batch`` structures run one
            by one.
        seed: of the noise and the rotations.

    Raises:
        ValueError: for no ``bare`` and a model with no frame or several, and as
            :func:`~fa_pyg.testing.assert_conservative`.

    Not guaranteed: to find the steepest structure. Steep ones are rare: ``largest`` grows with ``count``.
    Forces do not show a jump of the energy between structures: see :func:`curvature`.
    """
    checks.number("sigma", sigma, 0)
    checks.integer("count", count)
    checks.integer("nodes", nodes)
    generator = torch.Generator().manual_seed(checks.integer("seed", seed, 0, checks.MOST))
    both = Comparison(model, inputs, pos, energy, forces, bare, input_reps, group)
    shift = sigma * torch.randn(count, *both.pos.shape, generator=generator, dtype=torch.float64)
    copies = both.copies(shift, both.orientations(count, generator), nodes)
    found, counts = both.framed(copies.forces)
    ratio = (found / both.bare(copies.forces).max()).flatten()
    largest, p99, median = torch.stack([ratio.max(), ratio.quantile(0.99), ratio.median()]).tolist()
    return Steepness(largest, p99, median, *_runs(counts))


def assert_smooth(
    model: Callable,
    inputs: Inputs,
    pos: Name = "pos",
    energy: Any = None,
    forces: Any = None,
    group: GroupLike = "auto",
    *,
    most: float = 2.0,
    growth: float = 2.0,
    directions: Tensor | int | None = 4,
    bare: Callable | None = None,
    input_reps: Named[RepLike] | None = None,
    sigma: float = 0.08,
    count: int = 200,
    span: float = 0.3,
    nodes: int = NODES,
    seed: int = 0,
) -> Steepness:
    """Assert that framed forces are hardly larger than those of the bare network, without kinks and jumps.

    Args:
        model, inputs, pos, energy, forces, group, bare, input_reps, sigma, count, nodes, seed: as in
            :func:`steepness`.
        most: bound on the largest ratio of forces; below 2 for frames that suit dynamics.
        growth: bound on ``growth`` of :class:`~fa_pyg.testing.Curvature`.
        directions, span: as in :func:`curvature`; None to check forces only.

    Returns:
        The steepness.

    Raises:
        AssertionError: for a value above its bound or not finite.
        ValueError: as :func:`steepness` and :func:`curvature`.

    Not guaranteed: to find rare violations, as structures are sampled.
    """
    checks.number("most", most, above=0)
    checks.number("growth", growth, above=0)
    common = {"bare": bare, "input_reps": input_reps, "nodes": nodes, "seed": seed}
    found = steepness(model, inputs, pos, energy, forces, group, sigma=sigma, count=count, **common)
    if not found.largest <= most:
        runs = "" if found.runs is None else f", {found.runs:.3g} runs per structure"
        raise AssertionError(
            f"not smooth: largest force {found.largest:.3g} times the bare network's (at most {most:g}; "
            f"99 % of structures {found.p99:.3g}, median {found.median:.3g}{runs})"
        )
    if directions is None:
        return found
    along = curvature(model, inputs, directions, pos, energy, group, span=span, **common)
    if not along.growth <= growth:
        raise AssertionError(
            f"not smooth: second differences of the energy, {along.fine:.3g} times the bare network's, grow "
            f"{along.growth:.3g} times at a quarter of the step (at most {growth:g}; a kink 4, a jump 16)"
        )
    return found


def _runs(counts: Tensor | None) -> tuple[float | None, int | None]:
    return (None, None) if counts is None else (counts.double().mean().item(), int(counts.max()))
