"""Plots of a run: learning curves, predictions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from fa_pyg.plot import save_figure
from fa_pyg.train.logs import read_metrics

__all__ = ["new_figure", "plot_losses", "plot_predictions"]


def plot_losses(
    folders: Mapping[str, str | Path],
    path: str | Path,
    title: str = "",
    metric: str = "mse",
    label: str = "mean squared error",
) -> None:
    """Draw training (dotted) and validation errors against the epoch, one color per run.

    Args:
        folders: label -> folder with a ``metrics.csv``.
        path: the PNG file to write.
        title: of the figure.
        metric: its name in ``metrics.csv``, without the split.
        label: of the vertical axis.
    """
    figure = new_figure(7, 4)
    axes = figure.subplots()
    for number, (run, folder) in enumerate(folders.items()):
        rows = read_metrics(folder)
        for split, style in (("train", ":"), ("val", "-")):
            points = [
                (int(r["epoch"]) + 1, float(r[f"{split}/{metric}"])) for r in rows if f"{split}/{metric}" in r
            ]
            if points:
                axes.plot(*zip(*points, strict=True), style, color=f"C{number}", label=f"{run}, {split}")
    axes.set(xlabel="epoch", ylabel=label, yscale="log", title=title)
    if axes.lines:
        axes.legend(fontsize=8)
    save_figure(figure, path)


def plot_predictions(
    paths: Tensor, predictions: Mapping[str, Tensor], path: str | Path, title: str = ""
) -> None:
    """Draw true trajectories, seen along z, and predictions of their ends, one panel per system.

    Args:
        paths: ``[S, T, n, 3]``, positions of S systems at T times.
        predictions: label -> ``[S, M, n, 3]``, M predictions of the same end, e.g. from M poses.
        path: the PNG file to write.
        title: of the figure.
    """
    figure = new_figure(4 * len(paths), 4.4)
    figure.suptitle(title)
    panels = figure.subplots(1, len(paths), squeeze=False)[0]
    for s, axes in enumerate(panels):
        for i in range(paths.shape[2]):
            axes.plot(*paths[s, :, i, :2].T, "-", color="0.6", lw=1.5, label="true path" if i == 0 else None)
        axes.plot(*paths[s, 0, :, :2].T, "o", color="0.6", ms=4)
        axes.plot(*paths[s, -1, :, :2].T, "o", color="k", mfc="none", ms=10, label="true end")
        for number, (label, points) in enumerate(predictions.items()):
            axes.plot(
                *points[s].reshape(-1, 3)[:, :2].T, "x+."[number], color=f"C{number}", ms=5, label=label
            )
        axes.set(xlabel="x", ylabel="y", title=f"test system {s + 1}")
        axes.set_aspect("equal", adjustable="datalim")
    panels[0].legend(fontsize=7)
    save_figure(figure, path)


def new_figure(width: float, height: float, dpi: int = 150):
    """Return an empty figure that needs no display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=dpi, layout="constrained")
    FigureCanvasAgg(figure)
    return figure
