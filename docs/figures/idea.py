"""Picture of the idea: a cloud, its copies in four frames, the same model on each, the outputs averaged.

``python docs/figures/idea.py`` computes what it draws, with a small random network in the PCA frames of a
cloud in the plane, and writes docs/images/idea.svg. Its colors are legible on white and on black.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib
import torch
from torch import Tensor, nn

from fa_pyg import PCAFrame

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path as Curve

OUT = Path(__file__).resolve().parents[1] / "images" / "idea.svg"
INK = "#7d8590"
MEAN = "#e5484d"
ROWS = ("#2f81f7", "#2ea043", "#e0823d", "#a371f7")
CLOUD = torch.tensor([[-1.5, 0.35], [-0.8, -0.3], [0.1, -0.25], [0.75, 0.65], [1.5, 0.1], [0.35, -1.0]])
BONDS = ((0, 1), (1, 2), (2, 3), (3, 4), (2, 5))
ATOMS = (("#d4a72c", 1.0), (INK, 1.25), (INK, 1.25), ("#2aa198", 1.15), ("#a9b1bc", 0.9), (INK, 0.9))
ANGLE = 0.6
WIDE, HIGH, GAP = 1.9, 1.0, 0.14  # of the boxes
MIDDLE = 2.42
BOTTOMS = [MIDDLE + 0.5 * GAP + HIGH - k * (HIGH + GAP) for k in range(4)]
LEFT, COPIES, MODEL, OUTPUTS, RIGHT = 1.6, 3.75, 6.35, 8.2, 12.4  # where the columns are
LABELS = [
    (LEFT, "input", "$x$"),
    (COPIES + WIDE / 2, "in its frames", r"$\rho(g)^{-1}x,\ g \in F(x)$"),
    (MODEL + 0.6, "your model", r"$\Phi$"),
    (OUTPUTS + WIDE / 2, "outputs", r"$\Phi(\rho(g)^{-1}x)$"),
    (RIGHT, "turned back, averaged", r"$\sum\, w_g\, \rho(g)\, \Phi(\rho(g)^{-1}x)$"),
]


def rotation(angle: float) -> Tensor:
    cos, sin = torch.tensor(angle).cos(), torch.tensor(angle).sin()
    return torch.stack([cos, -sin, sin, cos]).view(2, 2)


def network() -> nn.Module:
    """A model that depends on the orientation of its six points, and returns a vector."""
    torch.manual_seed(401)
    return nn.Sequential(nn.Flatten(0), nn.Linear(12, 32), nn.Tanh(), nn.Linear(32, 2))


def cloud(ax: Axes, at: tuple[float, float], x: Tensor, scale: float, alpha: float = 1.0) -> None:
    """Draw points and bonds around a place."""
    points = (x * scale + torch.tensor(at)).tolist()
    for i, j in BONDS:
        ends = zip(points[i], points[j], strict=True)
        ax.plot(*ends, color=INK, alpha=alpha, lw=6 * scale, zorder=2, solid_capstyle="round")
    for point, (color, size) in zip(points, ATOMS, strict=True):
        ax.add_patch(Circle(point, 0.21 * scale * size, color=color, alpha=alpha, zorder=3, lw=0))


def arrow(ax: Axes, at: tuple[float, float], vector: Tensor, color: str, width: float) -> None:
    """Draw a vector that begins at a place."""
    end = (torch.tensor(at) + vector).tolist()
    style = f"Simple,tail_width={width},head_width={3.2 * width},head_length={3.4 * width}"
    ax.add_patch(
        FancyArrowPatch(at, end, arrowstyle=style, color=color, lw=0, shrinkA=0, shrinkB=0, zorder=5)
    )


def cross(ax: Axes, at: tuple[float, float], axes: Tensor, color: str) -> None:
    """Draw two axes through a place as dashed lines; the rows of `axes` are half of each."""
    for axis in axes:
        ends = torch.stack([torch.tensor(at) - axis, torch.tensor(at) + axis])
        ax.plot(*ends.T.tolist(), color=color, lw=1.3, ls=(0, (4, 3)), zorder=1)


def box(ax: Axes, left: float, bottom: float, width: float, height: float, color: str) -> None:
    shape = {"boxstyle": "round,pad=0,rounding_size=0.14"}
    ax.add_patch(
        FancyBboxPatch((left, bottom), width, height, fc=color, ec="none", alpha=0.1, zorder=0, **shape)
    )
    ax.add_patch(
        FancyBboxPatch((left, bottom), width, height, fc="none", ec=color, lw=1.6, zorder=1, **shape)
    )


def flow(ax: Axes, start: tuple[float, float], end: tuple[float, float], color: str) -> None:
    """Draw a thin arrow from left to right that begins and ends horizontally."""
    half = (start[0] + end[0]) / 2
    curve = Curve([start, (half, start[1]), (half, end[1]), end], [Curve.MOVETO, *[Curve.CURVE4] * 3])
    style = "-|>,head_length=5,head_width=2.6"
    ax.add_patch(FancyArrowPatch(path=curve, arrowstyle=style, color=color, lw=1.6))


def main(path: Path = OUT) -> None:
    x = CLOUD @ rotation(ANGLE).T
    x = x - x.mean(0)
    frames, model = PCAFrame("O(2)")(x), network()
    copies = frames.to_frame(x, "vector").view(-1, *x.shape)
    with torch.no_grad():
        outputs = torch.stack([model(copy) for copy in copies])
    outputs = outputs / outputs.norm(dim=1).max()
    back = frames.from_frame(outputs, "vector")
    figure, ax = plt.subplots(figsize=(14.2, 5.4))
    ax.set(xlim=(0, 14.2), ylim=(-0.85, 4.55), aspect="equal")
    ax.axis("off")
    figure.subplots_adjust(0, 0, 1, 1)
    draw_ends(ax, x, back)
    for k, bottom in enumerate(BOTTOMS):
        draw_row(ax, bottom, copies[k].flip(1), outputs[k].flip(0), ROWS[k])  # the long axis to the right
    box(ax, MODEL, BOTTOMS[-1], 1.2, BOTTOMS[0] + HIGH - BOTTOMS[-1], INK)
    ax.text(MODEL + 0.6, MIDDLE, r"$\Phi$", fontsize=44, ha="center", va="center", color=INK)
    for at, words, formula in LABELS:
        ax.text(at, -0.26, words, fontsize=20, ha="center", va="center", color=INK)
        ax.text(at, -0.68, formula, fontsize=18, ha="center", va="center", color=INK)
    figure.savefig(path, transparent=True, metadata={"Date": None})
    plt.close(figure)


def draw_row(ax: Axes, bottom: float, copy: Tensor, output: Tensor, color: str) -> None:
    """Draw a copy in its frame, the output, and the way from one to the other."""
    center = bottom + HIGH / 2
    near = MIDDLE + 0.3 * (center - MIDDLE)
    for left, alpha in ((COPIES, 1.0), (OUTPUTS, 0.3)):
        at = (left + WIDE / 2, center)
        box(ax, left, bottom, WIDE, HIGH, color)
        cross(ax, at, torch.tensor([[WIDE / 2 - 0.1, 0.0], [0.0, HIGH / 2 - 0.08]]), color + "66")
        cloud(ax, at, copy, 0.4, alpha)
    arrow(ax, at, 0.62 * output, color, 4)
    flow(ax, (2.95, near), (COPIES - 0.06, center), color)
    flow(ax, (COPIES + WIDE + 0.06, center), (MODEL - 0.06, center), color)
    flow(ax, (MODEL + 1.26, center), (OUTPUTS - 0.06, center), color)
    flow(ax, (OUTPUTS + WIDE + 0.06, center), (10.85, near), color)


def draw_ends(ax: Axes, x: Tensor, back: Tensor) -> None:
    """Draw the input with its axes, and its copy with the outputs that are turned back."""
    axes = torch.linalg.eigh(x.T @ x).eigenvectors.T * torch.tensor([[1.15], [1.7]])
    cross(ax, (LEFT, MIDDLE), axes, INK)
    cloud(ax, (LEFT, MIDDLE), x, 0.78)
    cloud(ax, (RIGHT, MIDDLE), x, 0.78, 0.3)
    for color, vector in zip(ROWS, back, strict=True):
        arrow(ax, (RIGHT, MIDDLE), 1.25 * vector, color, 3)
    arrow(ax, (RIGHT, MIDDLE), 1.25 * back.mean(0), MEAN, 7)


if __name__ == "__main__":
    plt.rcParams.update({"mathtext.fontset": "stix", "svg.hashsalt": "idea"})
    main()
