"""How many graphs a model tells apart, and whether it tells a graph from itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch
from tqdm import tqdm

from fa_pyg import checks
from fa_pyg.separation.pairs import check_pairs, pairs_not_told_apart
from fa_pyg.separation.parts import Part, parts_of
from fa_pyg.separation.relabelled import relabelled

__all__ = ["Separation", "random_outputs", "separation"]

Make = Callable[[], nn.Module]


@dataclass(frozen=True)
class Separation:
    """What :func:`separation` finds.

    Attributes:
        num_graphs: how many there were.
        pairs: the pairs of graphs that are not told apart ``[Q, 2]``.
        unsound: the graphs that are told apart from a relabelled copy of themselves ``[U]``.
    """

    num_graphs: int
    pairs: Tensor
    unsound: Tensor

    @property
    def soundness(self) -> float:
        """The share of graphs that are *not* told apart from their copies: 1 where the model is invariant."""
        return 1 - len(self.unsound) / max(self.num_graphs, 1)


def separation(
    make_model: Make,
    graphs: Batch,
    pairs: Tensor | None = None,
    *,
    inputs: Sequence[str] = ("x", "edge_index"),
    transform: Callable[[Batch], Batch] | None = None,
    initialisations: int = 100,
    threshold: float = 1e-3,
    squash: Callable[[Tensor], Tensor] | None = torch.tanh,
    seed: int = 0,
    progress: str | None = None,
) -> Separation:
    r"""Returns which pairs of graphs a model tells apart without training, by the protocol of "Breaking the
    Limits of Message Passing Graph Neural Networks" (Balcilar et al. 2021), and how sound that is.

    A pair is told apart if its outputs are further than ``threshold`` from each other, in L1 distance, for
    one of many random initialisations. So a model that draws random numbers, or one random frame, tells
    everything apart, a graph from itself too. Each graph is therefore paired with a relabelled copy as well,
    under the very same rule, with fresh draws for both: an invariant model tells none of these apart.

    Args:
        make_model: returns a model with new random weights; called ``model(x, edge_index, batch=batch)``, it
            returns ``[G, C]``. Run in float64, in evaluation mode.
        graphs: collated.
        pairs: ``[P, 2]``, the pairs to look at; default all.
        inputs: names of the attributes that the model is called with, by keyword but for the first two.
        transform: what to do with graphs and copies before they are handed to the model.
        initialisations, threshold: published: 100 and 1e-3.
        squash: of the outputs; published: tanh, of 10 outputs.
        seed: of weights, copies, and frames that are drawn.
        progress: what a progress bar is called; default: there is none.

    Raises:
        ValueError: for outputs that are not one row of finite numbers a graph.

    Not guaranteed: that pairs told apart differ, where the soundness is below 1.
    """
    checks.instance("graphs", graphs, Batch, "a Batch")
    checks.function("make_model", make_model, expected="a function that returns a model")
    checks.function("transform", transform, optional=True)
    checks.function("squash", squash, optional=True)
    checks.integer("initialisations", initialisations)
    checks.number("threshold", threshold, 0)
    checks.integer("seed", seed, 0, checks.MANY)
    checks.instance("progress", progress, str, "text", optional=True)
    if isinstance(inputs, str) or not isinstance(inputs, Sequence):
        checks.refuse("inputs", "a list of attributes", inputs)
    check_pairs(pairs, graphs.num_graphs)
    copies = relabelled(graphs, torch.Generator().manual_seed(seed))
    sets = (graphs, copies)
    found = random_outputs(make_model, sets, inputs, transform, initialisations, squash, seed)
    bar = tqdm(found, progress, initialisations, disable=progress is None, leave=False, dynamic_ncols=True)
    outputs: list[Tensor] = []
    for one in bar:
        outputs.append(one)
        if is_settled(outputs, pairs, threshold):
            break
    return judged(outputs, pairs, threshold)


def is_settled(outputs: list[Tensor], pairs: Tensor | None = None, threshold: float = 1e-3) -> bool:
    """Whether no further initialisation can change :func:`judged`: everything is told apart, copies too."""
    if not ((outputs[-1][0] - outputs[-1][1]).abs().sum(1) > threshold).any():
        return False  # the usual case, at once: some graph is not told from its copy
    found = judged(outputs, torch.zeros(0, 2, dtype=torch.long), threshold)
    return found.soundness == 0 and not len(judged(outputs, pairs, threshold).pairs)


def judged(outputs: list[Tensor], pairs: Tensor | None = None, threshold: float = 1e-3) -> Separation:
    """Returns what the outputs on graphs and their copies, ``[2, G, C]`` an initialisation, tell."""
    size = outputs[0].size(1)
    own = torch.arange(size).unsqueeze(1) + torch.tensor([0, size])
    same = pairs_not_told_apart([both.flatten(0, 1) for both in outputs], own, threshold)
    unsound = torch.ones(size, dtype=torch.bool).index_fill_(0, same[:, 0], False).nonzero().squeeze(1)
    return Separation(size, pairs_not_told_apart([both[0] for both in outputs], pairs, threshold), unsound)


def random_outputs(
    make_model: Make,
    sets: Sequence[Batch],
    inputs: Sequence[str] = ("x", "edge_index"),
    transform: Callable[[Batch], Batch] | None = None,
    initialisations: int = 100,
    squash: Callable[[Tensor], Tensor] | None = torch.tanh,
    seed: int = 0,
    first: int = 0,
) -> Iterator[Tensor]:
    """Yields the outputs of one randomly initialised model after another on several sets of as many graphs.

    Args:
        sets: collated; each model runs on all of them.
        first: the number of the first initialisation: they can be computed in parts, and are the same.
        make_model, inputs, transform, initialisations, squash, seed: as in :func:`separation`.

    Shapes: ``[len(sets), G, C]`` for each initialisation, in float64.
    """
    with _seeded(seed, 0):
        model = make_model().double().eval()
        parts = [parts_of(model, one, inputs, transform) for one in sets]
    for number in range(first, initialisations):
        with _seeded(seed, 1 + number), torch.no_grad():
            model = make_model().double().eval()
            outputs = [_run(model, one, each.num_graphs) for one, each in zip(parts, sets, strict=True)]
        outputs = torch.stack(outputs)
        yield outputs if squash is None else squash(outputs)


def _run(model: nn.Module, parts: list[Part], size: int) -> Tensor:
    """The outputs of all graphs, in their order."""
    rows, order = [part(model) for part in parts], torch.cat([part.graphs for part in parts])
    outputs = torch.cat(rows)
    if outputs.dim() != 2 or len(outputs) != size:
        raise ValueError(f"make_model: expected outputs [{size}, C], found {list(outputs.shape)}")
    return outputs[torch.argsort(order)]


@contextmanager
def _seeded(*key: int) -> Iterator[None]:
    """Random numbers by these whole numbers inside, the caller's afterwards."""
    seed = 0
    for one in key:
        seed = (seed * 1_000_003 + one) % 2**63
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
