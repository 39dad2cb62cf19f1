from __future__ import annotations

import math

import pytest

from fa_pyg.train.normals.pictures import plot_curves
from fa_pyg.train.normals.table import _spread


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([], ""),
        ([0.5], "0.50"),
        ([1.0, 3.0], "2.00 ± 1.41"),
        ([math.nan, 1.0, 3.0], "2.00 ± 1.41 (1 of 3 diverged)"),
        ([math.inf, 1.0], "1.00 (1 of 2 diverged)"),
        ([math.nan] * 3, "diverged"),
    ],
)
def test_seeds_that_diverged_are_said(values, text):
    assert _spread(values, "{:.2f}") == text


def test_curves_of_runs_that_diverged(tmp_path):
    curves = {"lost": {"I": [([[1, math.nan], [2, math.nan]], 0.5)]}}
    plot_curves(curves).savefig(tmp_path / "lost.png")
    curves |= {"half": {"I": [([[1, 0.5], [2, math.nan], [3, 0.4]], 0.5)]}}
    figure = plot_curves(curves)
    figure.savefig(tmp_path / "half.png")
    (line,) = figure.axes[1].lines
    assert line.get_ydata().tolist() == [0.5, 0.4]
