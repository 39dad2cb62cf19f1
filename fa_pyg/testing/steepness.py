"""How steep a frame makes an energy: its forces beside those of the bare network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.calls import Name
from fa_pyg.groups import GroupLike
from fa_pyg.reps import RepLike
from fa_pyg.testing.comparison import NODES, Comparison
from fa_pyg.testing.curvature import curvature
from fa_pyg.testing.energies import Inputs

__all__ = ["Steepness", "assert_smooth", "steepness"]


@dataclass(frozen=True)
class Steepness:
    """Largest forces of framed structures divided by the bare network's largest, and the runs they took.

    Attributes:
        largest, p99, median: over the structures; ``p99`` is the 99th percentile.
        runs, most_runs: frames a structure, on average and at most; None for a model without a frame.
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
    input_reps: Mapping[Name, RepLike] | None = None,
    sigma: float = 0.08,
    count: int = 200,
    nodes: int = NODES,
    seed: int = 0,
) -> Steepness:
    r"""Returns how much larger forces are in a frame than those of the bare network: the frame's steepness.

    .. math:: \frac{\max_i \|\nabla_i \langle\Phi\rangle(x)\|}{\max_{x, i} \|\nabla_i \Phi(x)\|}

    over structures x: the input, displaced by Gaussian noise and turned at random. A frame whose weights
    change over a short distance adds forces of its own, (difference of the network between two frames) times
    (slope of the weights): 1 is as smooth as the network, 100 is a spike that no time step follows.

    Args:
        model: gives an energy for each graph; put it into ``eval()``, and in float64.
        inputs: what it is called with, as in :func:`~fa_pyg.testing.assert_equivariant`: one structure or a
            batch. What is neither turned nor displaced stays as it is, ``edge_index`` too.
        pos: the name of the positions ``[N, d]``, or their place.
        energy, forces: their keys, where the model returns a dict or a tuple; forces default to
            ``-torch.autograd.grad`` of the energy.
        group: what structures are turned in; "auto" for that of the model's frame, E(d) for other models.
        bare: the network to compare with, called alike. Default, for a model that holds one
            :class:`~fa_pyg.FrameAveraging`: the network in it, as it is, with the centroid in the origin
            where the group translates.
        input_reps: the inputs that turn; default what a framed model declares, ``{"pos": "point"}`` for
            others.
        sigma: standard deviation of the noise of a coordinate, in units of the positions.
        count: structures for each graph of the input.
        nodes: in one call of the model, a bound on memory; one structure where the model takes no ``batch``.
        seed: of the noise and the turns.

    Raises:
        ValueError: for a model without one frame and no ``bare``, and what :func:`assert_conservative` does.

    Not guaranteed: that the steepest place is met. It is rare: ``largest`` grows with ``count``. A jump of
    the energy between two structures is none of their forces: see :func:`curvature`.
    """
    checks.number("sigma", sigma, 0)
    checks.integer("count", count)
    checks.integer("nodes", nodes)
    generator = torch.Generator().manual_seed(checks.integer("seed", seed, 0, checks.MOST))
    both = Comparison(model, inputs, pos, energy, forces, bare, input_reps, group)
    shift = sigma * torch.randn(count, *both.pos.shape, generator=generator, dtype=torch.float64)
    copies = both.copies(shift, both.turns(count, generator), nodes)
    found, counts = both.framed(copies.forces)
    ratio = (found / both.bare(copies.forces).max()).flatten()
    values = torch.stack([ratio.max(), ratio.quantile(0.99), ratio.median()]).tolist()
    return Steepness(*values, *_runs(counts))


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
    input_reps: Mapping[Name, RepLike] | None = None,
    sigma: float = 0.08,
    count: int = 200,
    span: float = 0.3,
    nodes: int = NODES,
    seed: int = 0,
) -> Steepness:
    """Asserts that a frame makes forces hardly larger than the bare network's, and neither kinks nor jumps.

    Args:
        model, inputs, pos, energy, forces, group, bare, input_reps, sigma, count, nodes, seed: as in
            :func:`steepness`.
        most: bound on the largest ratio of forces; frames that dynamics can live with stay below 2.
        growth: bound on :attr:`Curvature.growth`.
        directions, span: as in :func:`curvature`; None to look at forces alone.

    Returns:
        The steepness.

    Raises:
        AssertionError: if a figure is above its bound or not finite.
        ValueError: as :func:`steepness` and :func:`curvature`.

    Not guaranteed: what these do not; it is a test by samples.
    """
    checks.number("most", most, above=0)
    checks.number("growth", growth, above=0)
    common = {"bare": bare, "input_reps": input_reps, "nodes": nodes, "seed": seed}
    found = steepness(model, inputs, pos, energy, forces, group, sigma=sigma, count=count, **common)
    if not found.largest <= most:
        runs = "" if found.runs is None else f", {found.runs:.3g} runs a structure"
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
