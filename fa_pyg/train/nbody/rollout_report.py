"""Tables and plots of rollouts of n-body models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from fa_pyg.train.nbody.rollout import Trajectory
from fa_pyg.train.plots import new_figure

__all__ = ["TRUE", "plot_paths", "plot_rollouts", "report"]

TRUE = "true law"
SHOWN = (1, 2, 3, 5, 10, 20, 50, 100)  # steps in tables
SMALLEST = 1e-12  # on logarithmic axes

OUTSIDE: Any = "outside center right"  # missing in the stubs of matplotlib


def report(rollouts: Mapping[str, Trajectory]) -> str:
    """Return two markdown tables, of errors and of energies, for some of the steps.

    Args:
        rollouts: name -> trajectory; that of :data:`TRUE` is what errors are measured against.
    """
    errors, drifts = _measured(rollouts)
    about = "Mean over the systems (median in brackets)."
    return (
        f"Mean squared error of the positions. {about}\n\n{_table(errors)}\n"
        f"Change of the energy, relative to the sum of the sizes of its terms at the start. {about}\n\n"
        f"{_table(drifts)}"
    )


def _measured(rollouts: Mapping[str, Trajectory]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return errors and changes of energy ``[T + 1, S]`` of all trajectories, of the true one its energy."""
    true = rollouts[TRUE]
    errors = {name: one.errors(true) for name, one in rollouts.items() if one is not true}
    return errors, {name: one.energy_drift() for name, one in rollouts.items()}


def _table(figures: Mapping[str, Tensor]) -> str:
    times = [time for time in SHOWN if time < len(next(iter(figures.values())))]
    rows = [["", *(f"step {time}" for time in times)], ["---"] * (len(times) + 1)]
    for name, one in figures.items():
        rows.append([name, *(f"{_mean(one[time]):.2g} ({_median(one[time]):.1g})" for time in times)])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _mean(values: Tensor) -> float:
    return float(values.mean())


def _median(values: Tensor) -> float:
    return float(values.nan_to_num(torch.inf).median())


def plot_rollouts(rollouts: Mapping[str, Trajectory]) -> Any:
    """Plot error and change of energy against steps: means over the systems, and medians (dashed)."""
    figure = new_figure(12, 4.5)
    titles = ("squared error of positions", "change of energy / sizes of its terms")
    panels = figure.subplots(1, 2)
    for axes, title, found in zip(panels, titles, _measured(rollouts), strict=True):
        for number, name in enumerate(rollouts):
            if name in found:
                style = {"color": f"C{number}", "marker": "."}
                axes.plot(*_curve(found[name], _mean), label=name, **style)
                axes.plot(*_curve(found[name], _median), ls="--", **style)
        axes.set(xlabel="step", ylabel=title, yscale="log")
        axes.grid(which="both", alpha=0.2)
    figure.legend(*panels[1].get_legend_handles_labels(), fontsize=8, loc=OUTSIDE)
    figure.suptitle("mean over test systems; dashed: median")
    return figure


def _curve(figures: Tensor, of) -> tuple[range, list[float]]:
    times = range(1, len(figures))
    return times, [max(of(figures[time]), SMALLEST) for time in times]


def plot_paths(rollouts: Mapping[str, Trajectory], systems: Sequence[int] = (0, 1)) -> Any:
    """Plot the paths of some systems, seen along z: a panel for each system and trajectory.

    The true path is drawn thin in each, colors are particles.
    """
    others = {name: one for name, one in rollouts.items() if name != TRUE}
    figure = new_figure(3.6 * len(others), 3.8 * len(systems))
    panels = figure.subplots(len(systems), len(others), squeeze=False)
    for row, system in zip(panels, systems, strict=True):
        limits = _limits(rollouts[TRUE].pos[:, system])
        for axes, (name, one) in zip(row, others.items(), strict=True):
            for particle in range(one.pos.size(2)):
                color = f"C{particle % 10}"
                axes.plot(*rollouts[TRUE].pos[:, system, particle, :2].T, color=color, lw=0.8)
                axes.plot(*one.pos[:, system, particle, :2].T, ".:", color=color, ms=7)
            axes.set(title=f"{name}, test system {system + 1}", **limits)
            axes.set_aspect("equal")
    figure.suptitle("thin lines: true law; dots: rollout")
    return figure


def _limits(pos: Tensor) -> dict[str, tuple[float, float]]:
    """Return a square around a true path: rollouts may leave it."""
    low, high = pos[..., :2].amin((0, 1)), pos[..., :2].amax((0, 1))
    center, half = (low + high) / 2, 0.6 * float((high - low).max())
    return {
        name: (float(middle) - half, float(middle) + half)
        for name, middle in zip(("xlim", "ylim"), center, strict=True)
    }
