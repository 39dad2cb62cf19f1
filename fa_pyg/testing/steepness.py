"""How steep a frame makes an energy: forces of displaced structures, framed beside bare."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.builders import Cloud, Frame
from fa_pyg.builders.pca import unturned
from fa_pyg.copies import Name
from fa_pyg.frames import Frames
from fa_pyg.groups import Group, GroupLike
from fa_pyg.nn.averaging import FrameAveraging
from fa_pyg.reps import RepLike
from fa_pyg.testing.energies import Displaced, Inputs, System, layout_of

__all__ = ["Steepness", "assert_smooth", "steepness"]

NODES = 1024  # in a call: what the backward keeps is bounded


@dataclass(frozen=True)
class Steepness:
    """Largest forces of framed structures divided by the bare network's largest, and the runs they took.

    Attributes:
        largest, most, median: over the structures; ``most`` is the 99th percentile.
        runs, most_runs: frames a structure, on average and at most; None for a model without a frame.
    """

    largest: float
    most: float
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
        model: gives an energy for each graph; put it into ``eval()``.
        inputs: what it is called with, as in :func:`~fa_pyg.testing.assert_equivariant`: one structure or a
            batch. What is neither turned nor displaced stays as it is, ``edge_index`` too.
        pos: the name of the positions ``[N, d]``, or their place.
        energy, forces: their keys, where the model returns a dict or a tuple; forces default to
            ``-torch.autograd.grad`` of the energy.
        group: what structures are turned in; "auto" for that of the model's frame, E(d) for other models.
        bare: the network to compare with, called alike. Default, for a model that holds one
            :class:`~fa_pyg.FrameAveraging`: the same with centroids and no turns for frames.
        input_reps: the inputs that turn; default what a framed model declares, ``{"pos": "point"}`` for
            others.
        sigma: standard deviation of the noise of a coordinate, in units of the positions.
        count: structures for each graph of the input.
        nodes: in one call of the model, a bound on memory; one structure where the model takes no ``batch``.
        seed: of the noise and the turns.

    Raises:
        ValueError: for a model without one frame and no ``bare``, and what :func:`assert_conservative` does.

    Not guaranteed: that the steepest place is met. It is rare: ``largest`` grows with ``count``.
    """
    checks.number("sigma", sigma, 0)
    checks.integer("count", count)
    checks.integer("nodes", nodes)
    checks.integer("seed", seed, 0, checks.MOST)
    system, framed = System(model, inputs, pos, energy, forces), framed_part(model, bare)
    generator, x = torch.Generator().manual_seed(seed), system.pos
    shift = sigma * torch.randn(count, *x.shape, generator=generator, dtype=torch.float64)
    rotation = turns(system, framed, group, count, generator)
    copies = Displaced(system, shift.to(x), rotation, moving(system, framed, input_reps), nodes)
    (found, counts), other = (
        copies_framed(copies.forces, model, framed),
        copies_bare(copies.forces, model, framed, bare),
    )
    ratio = found / other.max()
    values = torch.stack([ratio.max(), ratio.flatten().quantile(0.99), ratio.median()]).tolist()
    return Steepness(*values, *_runs(counts))


def assert_smooth(
    model: Callable, inputs: Inputs, *args: Any, most: float = 2.0, **options: Any
) -> Steepness:
    """Asserts that no force is more than ``most`` times the bare network's largest: see :func:`steepness`.

    Args:
        model, inputs, args, options: as in :func:`steepness`.
        most: bound on the largest ratio; frames that dynamics can live with stay below 2.

    Returns:
        The steepness.

    Raises:
        AssertionError: if it is above the bound or not finite.
    """
    checks.number("most", most, above=0)
    found = steepness(model, inputs, *args, **options)
    if not found.largest <= most:
        runs = "" if found.runs is None else f", {found.runs:.3g} runs a structure"
        raise AssertionError(
            f"not smooth: largest force {found.largest:.3g} times the bare network's (at most {most:g}; "
            f"99 % of structures {found.most:.3g}, median {found.median:.3g}{runs})"
        )
    return found


# ---------------------------------------------------------------------------------- framed and bare


def framed_part(model: Callable, bare: Callable | None) -> FrameAveraging | None:
    """The framed network inside a model; None where there is none and ``bare`` is given."""
    parts = model.modules() if isinstance(model, nn.Module) else ()
    found = [one for one in parts if isinstance(one, FrameAveraging) and not one.frame.group.permutes]
    if len(found) != 1 and bare is None:
        raise ValueError(
            f"bare: expected the network to compare with, found None for a {type(model).__name__} "
            f"that holds {len(found)} FrameAveraging"
        )
    return found[0] if len(found) == 1 else None


def turns(
    system: System, framed: FrameAveraging | None, group: GroupLike, count: int, generator: torch.Generator
) -> Tensor:
    """Random elements of the group for each copy of each graph, ``[K, B, d, d]``."""
    dim = system.pos.size(1)
    if isinstance(group, str) and group == "auto":
        group = f"E({dim})" if framed is None else framed.frame.group
    group, size = Group.of(group), layout_of(system).num_graphs
    if group.dim != dim:
        raise ValueError(f"group: expected one of {dim} dimensions, found {group}")
    found = group.haar(count * size, generator, dtype=torch.float64)
    return found.view(count, size, dim, dim).to(system.pos)


def moving(
    system: System, framed: FrameAveraging | None, reps: Mapping[Name, RepLike] | None
) -> dict[Name, RepLike]:
    """How the inputs that turn transform, by name."""
    if reps is None:
        reps = framed.inputs if framed is system.model else {}
    named = {system.call.signature.name(k) if isinstance(k, int) else k: rep for k, rep in reps.items()}
    return {system.name: "point", **named}


def copies_framed(
    measure: Callable[[Callable], Tensor], model: Callable, framed: FrameAveraging | None
) -> tuple[Tensor, Tensor | None]:
    """What is measured of a model, and the number of frames of each structure."""
    if framed is None:
        return measure(model), None
    counted = _Counted(framed.frame)
    with _framed_by(framed, counted):
        found = measure(model)
    if not counted.counts:
        raise ValueError("bare: expected the network to compare with, found None: the frame is not used")
    return found, torch.cat(counted.counts)


def copies_bare(
    measure: Callable[[Callable], Tensor],
    model: Callable,
    framed: FrameAveraging | None,
    bare: Callable | None,
) -> Tensor:
    """The same of the bare network."""
    if bare is not None:
        return measure(bare)
    with _framed_by(framed, _Unturned(framed.frame.group)):
        return measure(model)


@contextmanager
def _framed_by(framed: FrameAveraging, frame: Frame) -> Iterator[None]:
    kept, framed.frame = framed.frame, frame
    try:
        yield
    finally:
        framed.frame = kept


class _Counted(Frame):
    """Another frame, whose numbers are kept."""

    def __init__(self, frame: Frame) -> None:
        super().__init__(frame.group)
        self.frame, self.counts = frame, []

    def evaluate(self, cloud: Cloud) -> Frames:
        frames = self.frame.evaluate(cloud)
        self.counts.append(frames.counts.cpu())
        return frames


class _Unturned(Frame):
    """One frame, the axes of the coordinates, at the centroid where the group translates."""

    def build(self, cloud: Cloud) -> Frames:
        return unturned(cloud, cloud.origin(self.group), self.group.dim)


def _runs(counts: Tensor | None) -> tuple[float | None, int | None]:
    return (None, None) if counts is None else (counts.double().mean().item(), int(counts.max()))
