"""Framed models under ``torch.compile`` and ``torch.export``: what works for which frame, and how exactly.

For every frame, a framed model is compiled with ``fullgraph=True`` and called on batches of three sizes,
exported with symbolic sizes, and compared with itself as it is. ``--backend inductor`` also times it, and
needs a compiler of C++, and minutes. How long first calls take: ``first_call.py``.

    python benchmarks/compiled.py [--backend inductor] [--frames PCAFrame ...]
        [--write docs/guides/compile.md]
"""

from __future__ import annotations

import argparse
import logging
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from command_line import matching, named
from markdown_table import page_with, show, table
from timing import interleaved, ratio
from torch import Tensor, nn

import fa_pyg as fa
from fa_pyg import FrameAveraging, PCAFrame, Rep, WeightedPCAFrame

SIZES = ([5, 7, 6, 9, 4], [4, 9], [3, 5, 8, 6])
MARK = "<!-- benchmarks/compiled.py -->"


class Energy(nn.Module):
    """An energy of each graph from node features that are not invariant."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(width, 8), nn.Tanh(), nn.Linear(8, 1))

    def pooled(self, x: Tensor, batch: Tensor, num_graphs: int) -> Tensor:
        h = self.net(x)
        return h.new_zeros(num_graphs, 1).index_add(0, batch, h)


class Points(Energy):
    def forward(self, pos: Tensor, batch: Tensor, num_graphs: int) -> Tensor:
        return self.pooled(pos, batch, num_graphs)


class Moving(Energy):
    def forward(self, pos: Tensor, vel: Tensor, batch: Tensor, num_graphs: int) -> Tensor:
        return self.pooled(torch.cat([pos, vel], 1), batch, num_graphs)


class Cells(Energy):
    """Points beside three labeled vectors of each graph, which the axes are computed from."""

    def forward(self, pos: Tensor, cell: Tensor, batch: Tensor, num_graphs: int) -> Tensor:
        return self.pooled(pos, batch, num_graphs) + cell.flatten(1).sum(1, keepdim=True)


class Places(Energy):
    """A network that sees the order of the nodes."""

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor, num_graphs: int) -> Tensor:
        place = torch.arange(x.size(0), dtype=x.dtype).cos().unsqueeze(1)
        heard = torch.zeros_like(x).index_add(0, edge_index[1], (x * place)[edge_index[0]])
        return self.pooled(torch.cat([x * place, heard], 1), batch, num_graphs)


class Neighbors(nn.Module):
    """A local frame of every node, and a network on its neighbors in that frame."""

    def __init__(self, frame: nn.Module) -> None:
        super().__init__()
        self.frame, self.net = frame, nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 3))

    def forward(self, pos: Tensor, edge_index: Tensor) -> Tensor:
        source, target = edge_index
        frames = self.frame(pos, edge_index)
        near = self.net(frames.to_frame(pos.index_select(0, source), "point", target))
        far = frames.average(near, "vector", target)
        return torch.zeros_like(pos).index_add(0, target, far)


def _cloud(counts: list[int]) -> tuple[Tensor, Tensor, int]:
    batch = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    return torch.randn(len(batch), 3, dtype=torch.float64), batch, len(counts)


def _moving(counts: list[int]) -> tuple[Any, ...]:
    pos, *rest = _cloud(counts)
    return pos, torch.randn_like(pos), *rest


def _cells(counts: list[int]) -> tuple[Any, ...]:
    pos, batch, count = _cloud(counts)
    return pos, torch.randn(count, 3, 3, dtype=pos.dtype), batch, count


def _graphs(counts: list[int]) -> tuple[Any, ...]:
    pos, edge_index = _neighbors(counts)
    _, *rest = _cloud(counts)
    return pos[:, :1].contiguous(), edge_index, *rest


def _neighbors(counts: list[int]) -> tuple[Tensor, Tensor]:
    pos, batch, _ = _cloud(counts)
    same = batch.unsqueeze(0) == batch.unsqueeze(1)
    return pos, (same & ~torch.eye(len(pos), dtype=torch.bool)).nonzero().T.contiguous()


@dataclass(frozen=True)
class Case:
    """A framed model, and batches for it.

    Args:
        make: the frame.
        net: the network, given the frame.
        inputs: the batch of graphs of these sizes.
        train: whether it is called in training.
    """

    make: Callable[[], nn.Module]
    net: Callable[[nn.Module], nn.Module] = lambda frame: FrameAveraging(Points(3), frame)
    inputs: Callable[[list[int]], tuple[Any, ...]] = _cloud
    train: bool = False

    def model(self) -> nn.Module:
        torch.manual_seed(0)
        return self.net(self.make()).double().train(self.train)


def _scaled(frame: nn.Module) -> nn.Module:
    return FrameAveraging(Points(3), frame, {"pos": Rep(1, affine=True, scale=1)})


def _boosted(frame: nn.Module) -> nn.Module:
    return FrameAveraging(Moving(6), frame, {"pos": "point", "vel": Rep(1, boost=1)})


def _of_cells(frame: nn.Module) -> nn.Module:
    return FrameAveraging(Cells(3), frame, {"pos": "point", "cell": "vector"}, reads=["cell"])


def _permuted(frame: nn.Module) -> nn.Module:
    return FrameAveraging(Places(2), frame)


SE3 = "SE(3)"
CASES: dict[str, Case] = {
    **{f'PCAFrame("{group}")': Case(lambda group=group: PCAFrame(group)) for group in (SE3, "E(3)", "T(3)")},
    **{f'PCAFrame("{g}")': Case(lambda g=g: PCAFrame(g)) for g in ("SO(3)", "O(3)")},
    'PCAFrame(..., on_degenerate="raise")': Case(lambda: PCAFrame(SE3, on_degenerate="raise")),
    **{
        f'WeightedPCAFrame(..., smoothness="{s}")': Case(lambda s=s: WeightedPCAFrame(SE3, smoothness=s))
        for s in ("fast", "forces", "dynamics")
    },
    "WeightedPCAFrame(..., max_frames=8)": Case(
        lambda: WeightedPCAFrame(SE3, smoothness="fast", max_frames=8)
    ),
    "HaarFrame": Case(lambda: fa.HaarFrame(SE3, k=2)),
    "GroupFrame": Case(lambda: fa.GroupFrame("O")),
    "CosetFrame(PCAFrame(...))": Case(lambda: fa.CosetFrame(PCAFrame(SE3), "D2(3)")),
    "LearnedFrame": Case(lambda: fa.LearnedFrame(SE3)),
    "LearnedFrame(..., noise=1, k=2)": Case(lambda: fa.LearnedFrame("E(3)", noise=1, k=2)),
    'PolarFrame("SE(3)")': Case(lambda: fa.PolarFrame(SE3), _of_cells, _cells),
    'PolarFrame("E(3)")': Case(lambda: fa.PolarFrame("E(3)"), _of_cells, _cells),
    "GeneralizedQRFrame": Case(lambda: fa.GeneralizedQRFrame(SE3)),
    "ScaleFrame(PCAFrame(...))": Case(lambda: fa.ScaleFrame(PCAFrame(SE3)), _scaled),
    "GalileanFrame(PCAFrame(...))": Case(lambda: fa.GalileanFrame(PCAFrame(SE3)), _boosted, _moving),
    "RandomScaleFrame(PCAFrame(...))": Case(lambda: fa.RandomScaleFrame(PCAFrame(SE3)), _scaled),
    "RandomBoostFrame(PCAFrame(...))": Case(lambda: fa.RandomBoostFrame(PCAFrame(SE3)), _boosted, _moving),
    # All four frames, each drawn once: a draw of one depends on the signs of the axes, which are arbitrary.
    "Sample(PCAFrame(...))": Case(lambda: fa.Sample(PCAFrame(SE3), k=4), train=True),
    "Sample(WeightedPCAFrame(...))": Case(lambda: fa.Sample(WeightedPCAFrame(SE3)), train=True),
    "PerMode(HaarFrame, PCAFrame)": Case(lambda: fa.PerMode(fa.HaarFrame(SE3), PCAFrame(SE3))),
    "LocalPCAFrame": Case(lambda: fa.LocalPCAFrame("E(3)"), Neighbors, _neighbors),
    "LocalFrame(WeightedPCAFrame(...))": Case(
        lambda: fa.LocalFrame(WeightedPCAFrame("E(3)")), Neighbors, _neighbors
    ),
    "CanonicalFrame": Case(fa.CanonicalFrame, _permuted, _graphs),
    "SpectralFrame": Case(fa.SpectralFrame, _permuted, _graphs),
    "RandomNodeFrame": Case(lambda: fa.RandomNodeFrame(k=2), _permuted, _graphs),
}


def difference(model: Callable[..., Tensor], other: Callable[..., Tensor], inputs: tuple[Any, ...]) -> float:
    """The largest difference of two models in the same random numbers."""
    outputs = []
    for call in (model, other):
        torch.manual_seed(1)
        outputs.append(call(*inputs))
    return (outputs[0] - outputs[1]).abs().max().item()


def compiled(case: Case, backend: str = "eager", fullgraph: bool = True) -> tuple[int, float]:
    """Number of graphs compiled for batches of all sizes, and the largest difference from the plain model."""
    torch._dynamo.reset()
    model = case.model()
    fast = torch.compile(model, backend=backend, fullgraph=fullgraph, dynamic=True)
    counters = torch._dynamo.utils.counters
    counters.clear()
    worst = max(difference(model, fast, case.inputs(counts)) for counts in SIZES)
    return counters["stats"]["unique_graphs"], worst


def exported(case: Case, strict: bool = False) -> float:
    """Export with symbolic sizes; the largest difference from the model on batches of other sizes."""
    model = case.model()
    inputs = case.inputs(SIZES[0])
    shapes = tuple(map(_symbolic, inputs))
    named = shapes if isinstance(model, Neighbors) else (shapes,)  # forward(*args) has one name for all
    program = torch.export.export(model, inputs, dynamic_shapes=named, strict=strict).module()
    return max(difference(model, program, case.inputs(counts)) for counts in SIZES[1:])


def _symbolic(value: Any) -> Any:
    """Every size may vary but those up to 3, which are numbers of coordinates and features."""
    auto = torch.export.Dim.AUTO
    if not isinstance(value, Tensor):
        return auto
    return {axis: auto for axis, size in enumerate(value.shape) if size > 3}


def rows(names: list[str], backend: str) -> Iterator[list[str]]:
    """Yield the row of each frame."""
    for name in names:
        case = CASES[name]
        graphs, error = _attempt(lambda case=case: compiled(case, backend))
        found, difference_ = _attempt(lambda case=case: ("yes", exported(case)))
        errors = [e for e in (error, difference_) if e is not None]
        row = [f"`{name}`", "yes" if graphs else "no", str(graphs - 1) if graphs else "", found or "no"]
        yield [*row, f"{max(errors):.0e}" if errors else "", *_speed(case, backend, bool(graphs))]


def _attempt(function: Callable[[], tuple[Any, float]]) -> tuple[Any, float | None]:
    try:
        return function()
    except Exception as error:  # compilers fail in many ways; the table says where
        logging.getLogger(__name__).info("%s", error)
        return None, None


def _speed(case: Case, backend: str, whole: bool) -> list[str]:
    """Time of the plain model over that of the compiled one, or with its network compiled."""
    if backend != "inductor":
        return []
    model, inputs = case.model(), case.inputs([30] * 32)
    fast = case.model()
    if whole:
        fast = torch.compile(fast, dynamic=True)
    elif isinstance(fast, FrameAveraging):
        fast.model = torch.compile(fast.model, dynamic=True)
    with torch.no_grad():
        times = interleaved({"eager": lambda: model(*inputs), "fast": lambda: fast(*inputs)}, seconds=3)
    return [f"{ratio(times, 'eager', 'fast'):.2f}"]


def check_backend(parser: argparse.ArgumentParser, backend: str) -> None:
    """Refuse a backend that cannot compile the smallest function, where every row would say "no"."""
    try:
        torch.compile(lambda x: x.sin() + 1, backend=backend)(torch.ones(2))
    except Exception as error:
        known = ", ".join(torch._dynamo.list_backends(exclude_tags=()))
        cause = (str(error).splitlines() or [""])[0]
        parser.error(f"backend: expected one that works here, of {known}; found {backend!r} ({cause})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", default="eager")
    parser.add_argument("--frames", nargs="+", type=named(CASES), default=[""], help="parts of names")
    parser.add_argument("--write", type=page_with(MARK), help="page whose table is replaced")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("torch").setLevel(logging.CRITICAL)
    check_backend(parser, args.backend)
    header = ["frame", "compiles as one graph", "recompilations", "exports", "largest difference"]
    header += ["time as it is / compiled"] if args.backend == "inductor" else []
    show(table(header, rows(matching(CASES, args.frames), args.backend)), MARK, args.write)


if __name__ == "__main__":
    main()
