"""Pictures of the benchmark on point clouds: validation curves, clouds colored by the angular error."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from fa_pyg.train.fit import FitModule
from fa_pyg.train.normals.evaluate import predictions, turned
from fa_pyg.train.plots import new_figure
from fa_pyg.train.tasks.clouds import Clouds, rotations
from fa_pyg.train.tasks.normals import angles

__all__ = ["MOST_DEGREES", "colored", "plot_clouds", "plot_curves"]

STYLES = ("-", "--", "-.", ":")  # of the regimes
MOST_DEGREES = 45.0  # top of the color scale
Curve = Sequence[tuple[int, float]]

OUTSIDE: Any = "outside center right"  # missing in the stubs of matplotlib


def plot_curves(curves: Mapping[str, Mapping[str, Sequence[tuple[Curve, float]]]]) -> Any:
    """Plot the lowest validation loss so far against CPU time and epochs.

    A row has a color, a regime a style. CPU time is taken to be proportional to epochs.

    Args:
        curves: by title of the row and regime, for each seed epochs and losses, and the minutes of an epoch.
    """
    figure = new_figure(13, 5)
    panels = figure.subplots(1, 2, sharey=True)
    regimes = list(dict.fromkeys(regime for of_row in curves.values() for regime in of_row))
    for number, (title, of_row) in enumerate(curves.items()):
        for regime, seeds in of_row.items():
            style = {"color": f"C{number % 10}", "ls": STYLES[regimes.index(regime) % 4], "lw": 1.2}
            for seed, (curve, minutes) in enumerate(seeds):
                label = None if seed else f"{title}, {regime}"
                _draw_curve(panels, curve, minutes, {**style, "label": label})
    for axes, label in zip(panels, ("CPU time / min", "epoch"), strict=True):
        scale = "log" if axes.lines else "linear"  # nothing to draw if all runs diverged
        axes.set(xlabel=label, xscale=scale, yscale=scale)
        axes.grid(which="both", alpha=0.2)
    panels[0].set(ylabel="lowest validation loss so far")
    handles, labels = panels[0].get_legend_handles_labels()
    if labels:
        figure.legend(handles, labels, fontsize=8, loc=OUTSIDE)
    return figure


def _draw_curve(panels: Sequence[Any], curve: Curve, minutes: float, style: dict[str, Any]) -> None:
    epochs, losses = torch.tensor(curve, dtype=torch.double).view(-1, 2).unbind(1)
    shown = losses.isfinite() & (losses > 0)  # on a logarithmic axis
    epochs, losses = epochs[shown], losses[shown]
    if len(epochs):
        lowest = losses.cummin(0).values
        for axes, scale in zip(panels, (minutes, 1.0), strict=True):
            axes.plot(scale * epochs, lowest, **style)


def colored(module: FitModule, clouds: Clouds) -> tuple[Tensor, Tensor]:
    """Return predicted normals and their angular errors in degrees, ``[B, n, 3]`` and ``[B, n]``."""
    found = predictions(module, clouds)
    error = angles(found, clouds.normal.flatten(0, 1))
    return found.view_as(clouds.normal), error.view(len(clouds), -1)


def plot_clouds(modules: Mapping[str, FitModule], clouds: Clouds) -> Any:
    """Draw clouds upright and rotated, a row for each model: predicted normals, colored by angular error."""
    rotation = rotations("SO(3)", len(clouds), torch.Generator().manual_seed(1))
    both = {"upright": clouds, "rotated": turned(clouds, rotation)}
    figure = new_figure(2 * 2 * len(clouds), 2.2 * len(modules) + 0.5, dpi=100)  # many panels
    panels = figure.subplots(len(modules), 2 * len(clouds), subplot_kw={"projection": "3d"}, squeeze=False)
    drawn = None
    for row, (title, module) in zip(panels, modules.items(), strict=True):
        for pose, (name, some) in enumerate(both.items()):
            normals, errors = colored(module, some)
            for i in range(len(some)):
                axes = row[2 * i + pose]
                drawn = _draw_cloud(axes, some.pos[i], normals[i], errors[i])
                rms = float(errors[i].square().mean().sqrt())
                axes.set_title(textwrap.fill(f"{title}, {name}: {rms:.1f}°", 28), fontsize=7)
    if drawn is not None:
        figure.colorbar(drawn, ax=panels, shrink=0.6, label="angular error / degrees")
    return figure


def _draw_cloud(axes: Any, pos: Tensor, normal: Tensor, error: Tensor) -> Any:
    from matplotlib import colormaps

    color = colormaps["viridis"]((error / MOST_DEGREES).clamp(0, 1).numpy())
    axes.quiver(
        *pos.T.numpy(), *normal.T.numpy(), length=0.2, color=color, linewidth=0.5, arrow_length_ratio=0
    )
    scale = {"vmin": 0, "vmax": MOST_DEGREES, "cmap": "viridis"}
    drawn = axes.scatter(*pos.T.numpy(), c=error.numpy(), s=8, linewidths=0, alpha=1, **scale)
    limit = float(pos.norm(dim=1).max())
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), zlim=(-limit, limit))
    axes.set_box_aspect([1, 1, 1], zoom=1.5)
    axes.set_axis_off()
    return drawn
