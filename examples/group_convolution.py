"""Figures of group averaging, group convolutions and band limits: docs/guides/group_averaging.md.

``python examples/group_convolution.py`` takes a few seconds and writes to runs/group_convolution.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fa_pyg import FrameAveraging
from fa_pyg.builders.group import GroupFrame
from fa_pyg.nn.grid import GridAveraging, GridMotion
from fa_pyg.plot import save_figure
from fa_pyg.testing import equivariance_error

ROOT = Path(__file__).resolve().parents[1]
TURN = GridMotion(((0, -1), (1, 0)))  # a quarter turn


def letter(size: int = 33) -> Tensor:
    """A soft letter F on a slope, ``[1, 1, size, size]``: an image without any symmetry."""
    x = torch.linspace(0, 0.3, size, dtype=torch.float64).expand(size, size).clone()
    for rows, columns in (((5, 28), (9, 13)), ((5, 9), (9, 26)), ((14, 18), (9, 21))):
        x[slice(*rows), slice(*columns)] = 1.0
    return F.avg_pool2d(x.expand(1, 1, -1, -1), 3, stride=1, padding=1, count_include_pad=False)


class Convolution(nn.Module):
    """A CNN layer, act(kernel * x), equivariant to shifts only."""

    def __init__(self, kernel: Tensor, act=F.relu) -> None:
        super().__init__()
        self.kernel, self.act = kernel, act

    def forward(self, x: Tensor) -> Tensor:
        return self.act(F.conv2d(x, self.kernel, padding="same"))


def lifting(x: Tensor, kernel: Tensor) -> Tensor:
    """The lifting convolution to C4 (Cohen and Welling 2016), ``[B, 4, H, W]``: a map per rotated kernel."""
    rotated = torch.cat([torch.rot90(kernel, k, (2, 3)) for k in range(4)])
    return F.relu(F.conv2d(x, rotated, padding="same"))


def edges(size: int = 7) -> Tensor:
    """Kernels ``[2, 1, size, size]`` that respond to slopes downward and, asymmetrically, to the right."""
    w = torch.linspace(-1, 1, size, dtype=torch.float64)
    bump = torch.exp(-3 * (w[:, None] ** 2 + w**2))
    return torch.stack([w[:, None] * bump, (w**2 - 0.2 + 0.3 * w[:, None]) * bump]).unsqueeze(1)


# ------------------------------------------------------------------------------------ the three figures


@torch.no_grad()
def draw_link(path: Path) -> dict[str, float]:
    """Draw the mean of lifted maps and the average of the convolution, for an image and its quarter turn."""
    kernel, x = edges()[:1], letter()
    conv = Convolution(kernel)
    average = GridAveraging(conv, "C4")
    figure = new_figure(14, 4.4)
    panels = figure.subplots(2, 7)
    for row, image in zip(panels, (x, TURN(x)), strict=True):
        maps = lifting(image, kernel)
        for axes, picture in zip(row, (image, *maps.split(1, 1), maps.mean(1), average(image)), strict=True):
            axes.imshow(picture.squeeze(), cmap="gray" if picture is image else "magma", vmin=0)
            axes.axis("off")
        for k, axes in enumerate(row[1:5]):
            inset = axes.inset_axes((0.72, 0.72, 0.28, 0.28))
            inset.imshow(torch.rot90(kernel[0, 0], k), cmap="coolwarm")
            inset.axis("off")
    names = ("x", "lifted: bare convolution", *(f"lifted: kernel rotated {k * 90}°" for k in (1, 2, 3)))
    for axes, name in zip(panels[0], (*names, "mean of the four maps", "GridAveraging(conv)"), strict=True):
        axes.set_title(name, fontsize=9)
    panels[1, 0].set_title("x rotated by 90°", fontsize=9)
    save_figure(figure, path)
    return {
        "average of the convolution - mean of the lifted maps": largest(
            average(x) - lifting(x, kernel).mean(1, keepdim=True)
        ),
        "f(g x) - g f(x), averaged": largest(average(TURN(x)) - TURN(average(x))),
        "f(g x) - g f(x), bare convolution": largest(conv(TURN(x)) - TURN(conv(x))),
    }


@torch.no_grad()
def draw_vectors(path: Path) -> None:
    """Draw a convolution with two outputs as a vector field, with and without averaging."""
    bare, x = Convolution(edges(), act=torch.tanh), letter()
    figure = new_figure(9, 4.7)
    panels = figure.subplots(1, 2)
    models = {"averaged over C4": GridAveraging(bare, "C4", output="vector"), "bare convolution": bare}
    for axes, (name, model) in zip(panels, models.items(), strict=True):
        axes.imshow(TURN(x).squeeze(), cmap="gray", alpha=0.3, vmax=1.5)
        fields = {"g f(x)": TURN(model(x), "vector"), "f(g x)": model(TURN(x))}
        scale = 9 * largest(fields["g f(x)"])
        for (label, field), color, width in zip(fields.items(), ("C1", "k"), (0.014, 0.004), strict=True):
            down, right = field[0, :, 1::3, 1::3]
            pixels = range(1, field.size(-1), 3)
            arrows = {"angles": "xy", "scale": scale, "width": width, "headwidth": 3 if color == "C1" else 5}
            axes.quiver(pixels, pixels, right, down, color=color, label=label, **arrows)
        axes.set_title(f"vector field, {name}", fontsize=10)
        axes.axis("off")
    panels[0].legend(loc="lower right", fontsize=8)
    save_figure(figure, path)


class Polynomial(nn.Module):
    """A polynomial of all coordinates of a cloud ``x [5, d]``: its frequencies are at most its degree."""

    def __init__(self, degree: int, dim: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(degree)
        self.degree = degree
        self.forms = torch.randn(50, 5 * dim, generator=generator, dtype=torch.float64) / 3

    def forward(self, x: Tensor) -> Tensor:
        return (1 + self.forms @ x.flatten()).pow(self.degree).mean().view(1)


def band_error(group: str, degree: int) -> float:
    """The equivariance error, under all rotations, of a polynomial averaged over a finite group."""
    frame = GroupFrame(group)
    dim = frame.group.dim
    x = torch.randn(5, dim, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    model = FrameAveraging(Polynomial(degree, dim), frame, {"x": "vector"}, level="graph")
    return equivariance_error(model, {"x": x}, f"SO({dim})", trials=4)["proper"]


def draw_bands(path: Path, degrees: Iterable[int] = range(1, 9)) -> dict[str, float]:
    """Draw the error of C_n for SO(2), and of T, O and I for SO(3), for polynomials of each degree."""
    cyclic = {n: [band_error(f"C{n}", degree) for degree in degrees] for n in range(1, 11)}
    solid = {group: [band_error(group, degree) for degree in degrees] for group in ("T", "O", "I")}
    figure = new_figure(9, 3.6)
    left, right = figure.subplots(1, 2)
    for i, degree in list(enumerate(degrees))[1::2]:
        left.semilogy(
            list(cyclic), [row[i] + 1e-17 for row in cyclic.values()], "o-", label=f"degree {degree}"
        )
    left.set(xlabel="n", ylabel="equivariance error under SO(2)", title="averaged over C_n")
    for group, row in solid.items():
        right.semilogy(list(degrees), [value + 1e-17 for value in row], "o-", label=group)
    right.set(xlabel="degree", ylabel="equivariance error under SO(3)", title="averaged over T, O, I")
    for axes in (left, right):
        axes.legend(fontsize=8)
    save_figure(figure, path)
    return {
        "degree 4, C4": cyclic[4][3],
        "degree 4, C5": cyclic[5][3],
        "degree 3, O": solid["O"][2],
        "degree 4, O": solid["O"][3],
        "degree 4, I": solid["I"][3],
        "degree 6, I": solid["I"][5],
    }


def largest(x: Tensor) -> float:
    return x.abs().max().item()


def new_figure(width: float, height: float):
    """Create a figure that does not need a display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=80, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def main(out: Path) -> dict[str, float]:
    """Draw all figures and print the errors."""
    out.mkdir(parents=True, exist_ok=True)
    errors = draw_link(out / "group_convolution.png")
    draw_vectors(out / "vector_fields.png")
    errors |= draw_bands(out / "band_limits.png")
    for name, error in errors.items():
        print(f"{name:55}{error:8.0e}")
    print(f"figures: {out}")
    return errors


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=ROOT / "runs/group_convolution", help="folder of the figures"
    )
    main(parser.parse_args().out)
