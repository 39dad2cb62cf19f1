"""Plots: molecules with their frames, parity, learning curves, equivariance errors, energies of dynamics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data

from fa_pyg import checks
from fa_pyg.builders import Frame, WeightedPCAFrame
from fa_pyg.builders.node_weights import type_weights
from fa_pyg.files import atomic_write

__all__ = [
    "plot_energies",
    "plot_errors",
    "plot_learning_curves",
    "plot_parity",
    "save_figure",
    "show_frames",
]

BOND = 1.25  # times the sum of the covalent radii
AXES = ("tab:red", "tab:green", "tab:blue")


def show_frames(
    data: Data, frame: Frame | None = None, path: str | Path | None = None, most: int = 4, title: str = ""
) -> Any:
    """Plot a molecule and the axes of its frames, a panel per frame, by descending weight.

    Args:
        data: a molecule with ``pos [N, 3]`` and ``z [N]``; without ``z`` a cloud of points.
        frame: default ``WeightedPCAFrame("E(3)")``.
        path: file to write; None for none.
        most: maximal number of panels.
        title: title of the figure; default the number of frames.

    Returns:
        The matplotlib figure. The axes of improper frames (determinant -1) are dashed.

    Raises:
        ValueError: for data without positions in three dimensions.
    """
    pos = data.pos if data.get("pos") is not None else None
    if pos is None or pos.dim() != 2 or pos.size(1) != 3 or not len(pos):
        found = None if pos is None else list(pos.shape)
        raise ValueError(f"data: expected pos [N, 3], found {found}")
    frame = WeightedPCAFrame("E(3)") if frame is None else frame
    z, pos = data.get("z"), pos.detach().double().cpu()
    with torch.no_grad():
        frames = frame(pos, node_weight=None if z is None else type_weights(z.cpu(), pos.dtype))
    rotation, weight = frames.rotation, frames.weight.expand(len(frames.rotation))
    order = weight.argsort(descending=True)[:most].tolist()
    figure = _figure(4 * len(order), 4.2)
    figure.suptitle(title or f"{len(weight)} frame{'s' * (len(weight) > 1)} of {frame.group}")
    for panel, k in enumerate(order):
        axes = figure.add_subplot(1, len(order), panel + 1, projection="3d")
        _draw_molecule(axes, pos, z)
        _draw_axes(axes, pos, rotation[k])
        axes.set_aspect("equal")  # last: it depends on the data limits
        axes.set_title(f"weight {weight[k]:.3f}", fontsize=9)
    return _saved(figure, path)


def plot_parity(
    pairs: Mapping[str, Tensor], path: str | Path | None = None, title: str = "", most: int = 20000
) -> Any:
    """Parity plot: predicted against true values, a panel per quantity, with the mean absolute error.

    Args:
        pairs: label (with the unit) -> ``[2, n]``, true and predicted.
        path: file to write; None for none.
        title: title of the figure.
        most: maximal number of points per panel.
    """
    figure = _figure(4 * max(len(pairs), 1), 4.2)
    figure.suptitle(title)
    for panel, (label, (true, predicted)) in enumerate(pairs.items()):
        axes = figure.add_subplot(1, len(pairs), panel + 1)
        error = (predicted - true).abs().mean()
        low, high = float(true.min()), float(true.max())
        axes.plot([low, high], [low, high], "-", color="0.6", lw=1)
        axes.plot(true[:most], predicted[:most], ".", ms=2, rasterized=True)
        axes.set(xlabel="true", ylabel="predicted", title=f"{label}\nmean absolute error {error:.4g}")
        axes.locator_params(nbins=4)  # total energies have six digits
    return _saved(figure, path)


def plot_learning_curves(
    curves: Mapping[str, Sequence[tuple[float, float]]],
    path: str | Path | None = None,
    xlabel: str = "training molecules",
    ylabel: str = "test error",
    title: str = "",
) -> Any:
    """Plot learning curves: errors against training set size (or steps), a line per model, on log-log axes.

    Args:
        curves: label -> (size, error); errors of the same size (of several seeds) are averaged, with their
            standard deviation as error bars.
        path: file to write; None for none.
        xlabel: label of the horizontal axis.
        ylabel: label of the vertical axis.
        title: title of the figure.
    """
    figure = _figure(6, 4)
    axes = figure.subplots()
    for label, points in curves.items():
        sizes = sorted({x for x, _ in points})
        errors = [torch.tensor([y for x, y in points if x == size]) for size in sizes]
        spread = [float(y.std()) if len(y) > 1 else 0.0 for y in errors]
        means = [float(y.mean()) for y in errors]
        axes.errorbar(sizes, means, spread, marker="o", ms=4, capsize=3, label=label)
    axes.set(xscale="log", yscale="log", xlabel=xlabel, ylabel=ylabel, title=title)
    if curves:
        axes.legend(fontsize=8)
    return _saved(figure, path)


def plot_errors(
    errors: Mapping[str, Mapping[str, float]], path: str | Path | None = None, title: str = "", tol: float = 0
) -> Any:
    """Plot equivariance errors as bars on a logarithmic axis, a group of bars per model.

    Args:
        errors: model -> case -> error, as :func:`~fa_pyg.testing.equivariance_error` returns them. Errors of
            0 are drawn at 1e-17.
        path: file to write; None for none.
        title: title of the figure.
        tol: tolerance, drawn as a line if positive.
    """
    figure = _figure(2 + 1.6 * max(len(errors), 1), 4)
    axes = figure.subplots()
    cases = list(dict.fromkeys(case for of_model in errors.values() for case in of_model))
    width = 0.8 / max(len(cases), 1)
    for number, case in enumerate(cases):
        bars = [(i, max(row[case], 1e-17)) for i, row in enumerate(errors.values()) if case in row]
        positions = [i + (number - (len(cases) - 1) / 2) * width for i, _ in bars]
        axes.bar(positions, [value for _, value in bars], width, label=case)
    if tol > 0:
        axes.axhline(tol, color="0.4", ls="--", lw=1, label=f"bound {tol:g}")
    axes.set_xticks(range(len(errors)), list(errors))
    axes.set(yscale="log", ylabel="equivariance error", title=title)
    if cases:
        axes.legend(fontsize=8)
    return _saved(figure, path)


def plot_energies(
    runs: Mapping[str, tuple[Sequence[float], Sequence[float], Sequence[float]]],
    path: str | Path | None = None,
    title: str = "",
    shared: tuple[Sequence[float], Mapping[str, Sequence[float]]] | None = None,
) -> Any:
    """Plot the total energy of NVE dynamics against time and, below, its jumps from step to step.

    Args:
        runs: label -> times in ps ``[T]``, energies in meV per atom ``[T]``, sizes of jumps in meV
            ``[T - 1]``. If energies exceed 10, their axis is logarithmic beyond 1; jumps below 1e-9 are drawn
            at 1e-9.
        path: file to write; None for none.
        title: title of the figure.
        shared: times ``[S]``, and label -> jumps ``[S - 1]`` on a path that all models share: a third panel.
    """
    figure = _figure(8, 7 if shared is None else 9.5)
    figure.suptitle(title)
    above, *panels = figure.subplots(2 if shared is None else 3, 1, sharex=True)
    for number, (label, (time, energy, jumps)) in enumerate(runs.items()):
        above.plot(time, energy, lw=0.8, color=f"C{number}", rasterized=True, label=label)
        _draw_jumps(panels[0], time, jumps, number)
        if shared is not None and label in shared[1]:
            _draw_jumps(panels[1], shared[0], shared[1][label], number)
    if any(abs(value) > 10 for _, energy, _ in runs.values() for value in energy):
        above.set_yscale("symlog", linthresh=1)
    above.set(ylabel="total energy - start / meV/atom")
    for panel, path_name in zip(panels, ("", "on the shared path, "), strict=False):
        # Runs may end at once, and numbers need not be finite.
        has_points = any(isfinite(y) for line in panel.get_lines() for y in line.get_ydata())
        panel.set(ylabel=f"jump in a step, {path_name}meV", yscale="log" if has_points else "linear")
    panels[-1].set(xlabel="time / ps")
    if runs:
        above.legend(fontsize=8)
    return _saved(figure, path)


def _draw_jumps(axes: Any, time: Sequence[float], jumps: Sequence[float], number: int) -> None:
    sizes = [max(jump, 1e-9) for jump in jumps]
    axes.plot(time[1:], sizes, ".", ms=1.5, color=f"C{number}", rasterized=True)


def _draw_molecule(axes: Any, pos: Tensor, z: Tensor | None) -> None:
    from ase.data import covalent_radii
    from ase.data.colors import jmol_colors

    numbers = torch.ones(len(pos), dtype=torch.long) if z is None else z.cpu().long()
    radii = torch.tensor(covalent_radii)[numbers]
    if z is not None:
        distance = torch.cdist(pos, pos)
        bonds = (distance < BOND * (radii + radii[:, None])).triu(1).nonzero()
        for i, j in bonds.tolist():
            axes.plot(*pos[[i, j]].T.tolist(), color="0.5", lw=1.5)
    colors = "0.5" if z is None else jmol_colors[numbers]
    axes.scatter(*pos.T.tolist(), s=(120 * radii).tolist(), c=colors, edgecolors="k", depthshade=False)
    axes.set_axis_off()


def _draw_axes(axes: Any, pos: Tensor, rotation: Tensor) -> None:
    center = pos.mean(0)
    length = 1 + float((pos - center).norm(dim=1).max())
    style = "-" if torch.det(rotation) > 0 else "--"
    for k, color in enumerate(AXES):
        end = center + length * rotation[:, k]
        axes.plot(*torch.stack([center, end]).T.tolist(), style, color=color, lw=2)
        axes.text(*end.tolist(), str(k + 1), color=color)


def _figure(width: float, height: float) -> Any:
    """Create a figure that does not need a display."""
    with checks.from_extra("fa_pyg.plot", "train"):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _saved(figure: Any, path: str | Path | None) -> Any:
    if path is not None:
        save_figure(figure, path)
    return figure


def save_figure(figure: Any, path: str | Path) -> None:
    """Write a matplotlib figure atomically, in the format of the file extension (default PNG)."""
    path = Path(path)
    path = path if path.suffix else path.with_name(f"{path.name}.png")
    with atomic_write(path, "wb") as file:
        figure.savefig(file, format=path.suffix[1:].lower())
