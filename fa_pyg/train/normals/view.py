"""Web page on which clouds with predicted normals are turned by hand (needs plotly)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from fa_pyg import checks
from fa_pyg.files import write_atomically
from fa_pyg.train.fit import FitModule
from fa_pyg.train.normals.pictures import MOST_DEGREES, colored
from fa_pyg.train.tasks.clouds import Clouds

__all__ = ["write_view"]

LENGTH = 0.15  # of the normals


def write_view(modules: Mapping[str, FitModule], clouds: Clouds, path: Path) -> None:
    """Write a page of clouds side by side, with a menu of the models.

    Args:
        modules: by title.
        clouds: the clouds.
        path: of the HTML file, which works without a network.

    Raises:
        ImportError: without plotly.
    """
    with checks.from_extra("view", "clouds"):
        from plotly.graph_objects import Figure
        from plotly.subplots import make_subplots

    kinds = [[{"type": "scene"}] * len(clouds)]
    figure: Figure = make_subplots(1, len(clouds), specs=kinds, horizontal_spacing=0.01)
    for number, module in enumerate(modules.values()):
        normals, errors = colored(module, clouds)
        for i in range(len(clouds)):
            trace = _trace(clouds.pos[i], normals[i], errors[i])
            figure.add_trace(trace.update(visible=number == 0), row=1, col=i + 1)
    figure.update_layout(updatemenus=[{"buttons": _buttons(list(modules), len(clouds))}], height=600)
    figure.update_scenes(aspectmode="data", xaxis_visible=False, yaxis_visible=False, zaxis_visible=False)
    write_atomically(path, figure.to_html(include_plotlyjs=True))


def _trace(pos: torch.Tensor, normal: torch.Tensor, error: torch.Tensor) -> Any:
    """Return line segments along the normals, colored by the error, with gaps between them."""
    from plotly.graph_objects import Scatter3d

    ends = torch.stack([pos, pos + LENGTH * normal, torch.full_like(pos, torch.nan)], dim=1).flatten(0, 1)
    color = error.repeat_interleave(3)
    scale = {"color": color.tolist(), "colorscale": "Viridis", "cmin": 0, "cmax": MOST_DEGREES, "width": 4}
    x, y, z = ([None if one != one else round(one, 4) for one in column] for column in ends.T.tolist())
    bar = {"title": "angular error / °"}
    return Scatter3d(
        x=x, y=y, z=z, mode="lines", line={**scale, "showscale": True, "colorbar": bar}, showlegend=False
    )


def _buttons(titles: list[str], clouds: int) -> list[dict[str, Any]]:
    """Return a button for each model, which shows its traces alone."""
    shown = [[other == title for other in titles for _ in range(clouds)] for title in titles]
    return [
        {"label": title, "method": "restyle", "args": [{"visible": flags}]}
        for title, flags in zip(titles, shown, strict=True)
    ]
