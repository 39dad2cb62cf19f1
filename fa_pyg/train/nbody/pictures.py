"""Plots of the n-body benchmark: error against CPU time and epochs, error of each system."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from fa_pyg.train.fit import FitModule
from fa_pyg.train.nbody.lines import Line
from fa_pyg.train.plots import new_figure

__all__ = ["PICTURES", "Models", "plot_curves", "plot_systems"]

Models = Callable[[Line], FitModule | None]  # the trained model of the first seed, if it is on this machine

STYLES = ("-", "-.", ":")  # of the first ten rows, the next ten, ...


def plot_curves(lines: Sequence[Line], models: Models) -> Any:
    """Plot the lowest validation error so far against CPU time and epochs, a color per row.

    Thin and dashed: extrapolations to the epochs of the configuration. A horizontal line is a model without
    learning. CPU time is taken to be proportional to epochs.
    """
    figure = new_figure(13, 5)
    panels = figure.subplots(1, 2, sharey=True)
    for number, line in enumerate(lines):
        for seed in range(len(line.runs)):
            _draw_run(panels, line, seed, _style(number))
    for axes, label in zip(panels, ("CPU time / min", "epoch"), strict=True):
        axes.set(xlabel=label, xscale="log", yscale="log")
        axes.grid(which="both", alpha=0.2)
    panels[0].set(ylabel="lowest validation error so far (MSE)")
    _add_legend(figure, panels[0])
    return figure


def _draw_run(panels: Sequence[Any], line: Line, seed: int, style: dict[str, Any]) -> None:
    run, details, law = line.runs[seed], line.details[seed], line.laws[seed]
    label = None if seed else line.row.title
    if not run.epochs:
        for axes in panels:
            axes.axhline(run.val_mse, label=label, **style)
    elif details is not None and len(details.epochs):
        lowest = details.val.cummin(0).values
        for axes, scale in zip(panels, (run.cpu_seconds / 60 / run.epochs, 1.0), strict=True):
            axes.plot(scale * details.epochs, lowest, label=label, **style)
            if law is not None:
                ends = torch.tensor([run.epochs, line.recipe.epochs])
                thin = style | {"ls": "--", "lw": 0.7}
                axes.plot(scale * ends, [float(lowest[-1]) * law.factor(int(t)) for t in ends], **thin)


def plot_systems(lines: Sequence[Line], models: Models) -> Any:
    """Plot the test error of each system, sorted, and the share of the error that the worst systems hold."""
    figure = new_figure(13, 5)
    above, share = figure.subplots(1, 2)
    for number, line in enumerate(lines):
        known = [one.errors.double() for one in line.details if one is not None]
        if known:
            errors = torch.stack([one.sort(descending=True).values for one in known]).mean(0)
            systems = torch.arange(1, len(errors) + 1) / len(errors)
            above.plot(100 * systems, errors.clamp(min=1e-12), label=line.row.title, **_style(number))
            share.plot(100 * systems, 100 * errors.cumsum(0) / errors.sum(), **_style(number))
    above.set(xlabel="systems / %, the worst first", ylabel="squared error", xscale="log", yscale="log")
    share.set(xlabel="worst systems / %", ylabel="share of the error / %", xscale="log", ylim=(0, 100))
    for axes in (above, share):
        axes.grid(which="both", alpha=0.2)
    _add_legend(figure, above)
    return figure


def _style(number: int) -> dict[str, Any]:
    return {"color": f"C{number % 10}", "ls": STYLES[number // 10 % len(STYLES)], "lw": 1.2}


def _add_legend(figure: Any, axes: Any) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        figure.legend(handles, labels, fontsize=8, loc="outside center right")


# Name of the file, without its suffix -> function of the lines of a table and of their trained models, which
# returns a figure, or None if it has nothing to show. Another picture is a line here.
PICTURES: dict[str, Callable[[Sequence[Line], Models], Any]] = {
    "nbody_curves": plot_curves,
    "nbody_systems": plot_systems,
}
