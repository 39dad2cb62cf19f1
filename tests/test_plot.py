"""Figures are drawn, with the expected contents."""

from itertools import pairwise

import pytest
import torch
from torch_geometric.data import Data

from fa_pyg import PCAFrame
from fa_pyg.plot import plot_energies, plot_errors, plot_learning_curves, plot_parity, show_frames


def test_show_frames_draws_a_panel_a_frame(tmp_path):
    water = Data(z=torch.tensor([8, 1, 1]), pos=torch.tensor([[0, 0, 0.1], [0, 0.8, -0.5], [0, -0.8, -0.5]]))
    figure = show_frames(water, path=tmp_path / "water.png")
    assert (tmp_path / "water.png").stat().st_size > 1000
    assert len(figure.axes) == 4  # two mirror planes
    assert all(len(axes.lines) == 2 + 3 for axes in figure.axes)  # bonds and axes
    styles = {line.get_linestyle() for axes in figure.axes for line in axes.lines}
    assert styles == {"-", "--"}
    cloud = show_frames(Data(pos=torch.randn(5, 3)), PCAFrame("SE(3)"), most=2)
    assert len(cloud.axes) == 2
    with pytest.raises(ValueError, match=r"pos \[N, 3\], found \[4, 2\]"):
        show_frames(Data(pos=torch.randn(4, 2)))


def test_axes_of_a_flat_molecule_are_as_long_as_they_are():
    ring = torch.arange(6) * torch.pi / 3
    flat = Data(z=torch.full((6,), 6), pos=1.4 * torch.stack([ring.cos(), ring.sin(), 0 * ring], 1))
    for axes in show_frames(flat).axes:
        limits = torch.tensor([axes.get_xlim(), axes.get_ylim(), axes.get_zlim()])
        scale = (limits[:, 1] - limits[:, 0]) / torch.tensor(axes._box_aspect)
        torch.testing.assert_close(scale, scale[:1].expand(3), rtol=1e-4, atol=0)


def test_numbers_below_a_parity_plot_are_apart():
    energies = torch.linspace(-309_200, -306_900, 20)
    figure = plot_parity(
        {"energy / meV": torch.stack([energies] * 2), "forces / meV/A": torch.randn(2, 9) * 1e4}
    )
    figure.canvas.draw()
    for axes in figure.axes:
        boxes = [label.get_window_extent() for label in axes.get_xticklabels() if label.get_text()]
        shown = [box for box in boxes if axes.bbox.x0 - 1 <= (box.x0 + box.x1) / 2 <= axes.bbox.x1 + 1]
        assert all(left.x1 < right.x0 for left, right in pairwise(shown))


def test_curves_bars_and_parity(tmp_path):
    x = torch.randn(50)
    parity = plot_parity({"energy / meV": torch.stack([x, x + 0.5])}, tmp_path / "p.png")
    assert "0.5" in parity.axes[0].get_title()
    curves = plot_learning_curves({"a": [(10, 1.0), (10, 3.0), (100, 0.5)]}, tmp_path / "c.png")
    assert curves.axes[0].lines[0].get_xydata().tolist() == [[10, 2], [100, 0.5]]
    errors = {"framed": {"proper": 1e-12, "improper": 0.0}, "bare": {"proper": 0.3}}
    bars = plot_errors(errors, tmp_path / "b.png", tol=1e-10)
    assert len(bars.axes[0].patches) == 3
    assert all((tmp_path / f"{name}.png").stat().st_size > 1000 for name in "pcb")


def test_energies_above_and_jumps_below(tmp_path):
    runs = {"a": ([0.0, 0.1, 0.2], [0.0, 0.4, -30.0], [0.0, 2.0]), "b": ([0.0], [0.0], [])}
    above, below, last = plot_energies(runs, tmp_path / "e.png", shared=([0.0, 0.1], {"b": [3.0]})).axes
    assert (tmp_path / "e.png").stat().st_size > 1000
    assert above.lines[0].get_xydata().tolist() == [[0, 0], [0.1, 0.4], [0.2, -30]]
    assert below.lines[0].get_xydata().tolist() == [[0.1, 1e-9], [0.2, 2]]
    assert [line.get_xydata().tolist() for line in last.lines] == [[[0.1, 3]]]
    assert above.get_yscale() == "symlog"
    empty = plot_energies({}).axes
    assert (len(empty), empty[0].get_legend(), empty[0].get_yscale()) == (2, None, "linear")
