"""The examples run, write their figures, and compute the figures of the documentation."""

import importlib.util
import re
from pathlib import Path

import torch
from torch import nn

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/guides/group_averaging.md"


def example(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / f"examples/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_group_convolution(tmp_path, capsys):
    errors = example("group_convolution").main(tmp_path / "new")
    exact = {name for name, error in errors.items() if error < 1e-12}
    assert exact == {
        "average of the convolution - mean of the lifted maps",
        "f(g x) - g f(x), averaged",
        "degree 4, C5",
        "degree 3, O",
        "degree 4, I",
    }
    assert min(error for name, error in errors.items() if name not in exact) > 1e-4
    printed = capsys.readouterr().out
    assert all(name in printed for name in errors)
    pictures = sorted(path.name for path in (tmp_path / "new").iterdir())
    shown = sorted(re.findall(r"\]\(\.\./images/(.*?\.png)\)", PAGE.read_text()))
    assert pictures == shown
    for path in [*(tmp_path / "new").iterdir(), *(ROOT / "docs/images" / name for name in shown)]:
        assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
        assert 10_000 < path.stat().st_size < 100_000


class Net(nn.Module):
    def forward(self, pos):
        return pos * torch.tensor([1.0, 2.0, 3.0]) + pos.exp()


def test_the_code_of_the_page():
    torch.manual_seed(0)
    names = {
        "net": Net(),
        "cnn": nn.Conv2d(1, 2, 3, padding=1),
        "strided_cnn": nn.Sequential(nn.Conv2d(1, 3, 4, stride=4), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        "pos": torch.randn(5, 3, dtype=torch.float64),
    }
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(block, names)
    assert names["model"](torch.rand(2, 1, 8, 8)).shape == (2, 3)
