"""Protocol of graph separation: random initializations, and relabeled copies as a control."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch

from fa_pyg import checks
from fa_pyg.progress import bar as show
from fa_pyg.renamed import renamed
from fa_pyg.separation.pairs import check_pairs, pairs_not_told_apart
from fa_pyg.separation.parts import GraphPart, parts_of
from fa_pyg.separation.relabelled import relabelled

__all__ = ["Separation", "is_settled", "judged", "random_outputs", "separation"]

Make = Callable[[], nn.Module]


@dataclass(frozen=True)
class Separation:
    """Result of :func:`separation`.

    Attributes:
        num_graphs: number of graphs.
        pairs: pairs of graphs that are not distinguished, ``[Q, 2]``.
        unsound: graphs that are distinguished from a relabeled copy of themselves, ``[U]``.
    """

    num_graphs: int
    pairs: Tensor
    unsound: Tensor

    @property
    def soundness(self) -> float:
        """Fraction of graphs *not* distinguished from their copies: 1 for an invariant model."""
        return 1 - len(self.unsound) / max(self.num_graphs, 1)


@renamed(initialisations="initializations")
def separation(
    make_model: Make,
    graphs: Batch,
    pairs: Tensor | None = None,
    *,
    inputs: Sequence[str] = ("x", "edge_index"),
    transform: Callable[[Batch], Batch] | None = None,
    initializations: int = 100,
    threshold: float = 1e-3,
    squash: Callable[[Tensor], Tensor] | None = torch.tanh,
    seed: int = 0,
    progress: str | None = None,
) -> Separation:
    r"""Find the pairs of graphs that a model does not distinguish without training, and its soundness.

    The protocol of "Breaking the Limits of Message Passing Graph Neural Networks" (Balcilar et al. 2021): a
    pair is distinguished if the L1 distance of its outputs exceeds ``threshold`` for any of many random
    initializations. A model that draws random numbers, or a single random frame, then distinguishes all
    pairs, even a graph from itself. As a control every graph is therefore compared with a relabeled copy, by
    the same rule and with independent draws: an invariant model distinguishes none of these.

    Args:
        make_model: returns a model with new random weights; called ``model(x, edge_index, batch=batch)``, it
            returns ``[G, C]``. Run in float64, in evaluation mode.
        graphs: collated.
        pairs: ``[P, 2]``, the pairs to compare; default all.
        inputs: names of the attributes that the model is called with, by keyword except for the first two.
        transform: applied to graphs and copies before the model.
        initializations, threshold: published: 100 and 1e-3.
        squash: function of the outputs; published: tanh, of 10 outputs.
        seed: of weights, copies, and sampled frames.
        progress: title of a progress bar; default: no progress bar.

    Raises:
        ValueError: for outputs other than a row of finite numbers per graph.

    Not guaranteed: that distinguished pairs differ, if the soundness is below 1.
    """
    checks.instance("graphs", graphs, Batch, "a Batch")
    checks.function("make_model", make_model, expected="a function that returns a model")
    checks.function("transform", transform, optional=True)
    checks.function("squash", squash, optional=True)
    checks.integer("initializations", initializations)
    checks.number("threshold", threshold, 0)
    checks.integer("seed", seed, 0, checks.MANY)
    checks.instance("progress", progress, str, "text", optional=True)
    if isinstance(inputs, str) or not isinstance(inputs, Sequence):
        checks.refuse("inputs", "a list of attributes", inputs)
    check_pairs(pairs, graphs.num_graphs)
    copies = relabelled(graphs, torch.Generator().manual_seed(seed))
    sets = (graphs, copies)
    found = random_outputs(make_model, sets, inputs, transform, initializations, squash, seed)
    shown = {"desc": progress, "total": initializations, "progress": progress is not None}
    bar = show(found, **shown, leave=False)
    outputs: list[Tensor] = []
    for output in bar:
        outputs.append(output)
        if is_settled(outputs, pairs, threshold):
            break
    return judged(outputs, pairs, threshold)


def is_settled(outputs: list[Tensor], pairs: Tensor | None = None, threshold: float = 1e-3) -> bool:
    """Whether another initialization cannot change :func:`judged`: all pairs and copies are distinguished."""
    if not ((outputs[-1][0] - outputs[-1][1]).abs().sum(1) > threshold).any():
        return False  # the usual case first: a graph is not distinguished from its copy
    found = judged(outputs, torch.zeros(0, 2, dtype=torch.long), threshold)
    return found.soundness == 0 and not len(judged(outputs, pairs, threshold).pairs)


def judged(outputs: list[Tensor], pairs: Tensor | None = None, threshold: float = 1e-3) -> Separation:
    """Evaluate the outputs for graphs and their copies, ``[2, G, C]`` per initialization."""
    size = outputs[0].size(1)
    copies = torch.arange(size).unsqueeze(1) + torch.tensor([0, size])
    same = pairs_not_told_apart([both.flatten(0, 1) for both in outputs], copies, threshold)
    unsound = torch.ones(size, dtype=torch.bool).index_fill_(0, same[:, 0], False).nonzero().squeeze(1)
    return Separation(size, pairs_not_told_apart([both[0] for both in outputs], pairs, threshold), unsound)


@renamed(initialisations="initializations")
def random_outputs(
    make_model: Make,
    sets: Sequence[Batch],
    inputs: Sequence[str] = ("x", "edge_index"),
    transform: Callable[[Batch], Batch] | None = None,
    initializations: int = 100,
    squash: Callable[[Tensor], Tensor] | None = torch.tanh,
    seed: int = 0,
    first: int = 0,
) -> Iterator[Tensor]:
    """Yield the outputs of randomly initialized models on several sets of the same number of graphs.

    Args:
        sets: collated; every model runs on all of them.
        first: index of the first initialization, to compute them in parts, with the same result.
        make_model, inputs, transform, initializations, squash, seed: as in :func:`separation`.

    Shapes: ``[len(sets), G, C]`` for each initialization, in float64.

    Raises:
        ValueError: for outputs other than a row per graph.
    """
    with _seeded(seed, 0):
        model = make_model().double().eval()
        parts = [parts_of(model, graphs, inputs, transform) for graphs in sets]
    for number in range(first, initializations):
        with _seeded(seed, 1 + number), torch.no_grad():
            model = make_model().double().eval()
            sizes = (graphs.num_graphs for graphs in sets)
            outputs = [_run(model, split, size) for split, size in zip(parts, sizes, strict=True)]
        outputs = torch.stack(outputs)
        yield outputs if squash is None else squash(outputs)


def _run(model: nn.Module, parts: list[GraphPart], size: int) -> Tensor:
    """Run a model on the parts of a batch, and return its outputs in the order of the graphs."""
    rows, order = [part(model) for part in parts], torch.cat([part.graphs for part in parts])
    outputs = torch.cat(rows)
    if outputs.dim() != 2 or len(outputs) != size:
        raise ValueError(f"make_model: expected outputs [{size}, C], found {list(outputs.shape)}")
    return outputs[torch.argsort(order)]


@contextmanager
def _seeded(*key: int) -> Iterator[None]:
    """Seed random numbers by integers inside, and restore their state afterwards."""
    seed = 0
    for part in key:
        seed = (seed * 1_000_003 + part) % 2**63
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
