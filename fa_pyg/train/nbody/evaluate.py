"""Evaluation of models on n-body systems: error of each system, equivariance, time of a forward pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch, InMemoryDataset

from fa_pyg.loader import InMemoryLoader
from fa_pyg.testing import equivariance_error
from fa_pyg.train.benchmark.timing import forward_times, median_ms, median_ratio
from fa_pyg.train.fit import FitModule

__all__ = [
    "equivariance",
    "forward_times",
    "median_ms",
    "median_ratio",
    "spread",
    "system_errors",
    "worst_share",
]

EDGES = 4000  # of the systems that equivariance is measured on: 200 systems of 5 particles
REPS = {"pos": "point", "vel": "vector"}
OUTPUTS = {"y_vel": "vector"}  # by target, "point" for others


@torch.no_grad()
def system_errors(module: FitModule, data: InMemoryDataset, batch_size: int = 100) -> Tensor:
    """Return the mean squared error of each system ``[S]``, over its coordinates."""
    found = []
    for batch in InMemoryLoader(data, batch_size):
        predicted = module(batch)
        predicted = predicted if isinstance(predicted, Tensor) else predicted[0]  # positions first
        squares = (predicted - batch.y).square().mean(1)
        found.append(squares.view(batch.num_graphs, -1).mean(1))
    return torch.cat(found).float().cpu()


def spread(errors: Tensor) -> dict[str, float]:
    """Return the error of the median system, and the shares of the worst 1 % and 5 % of the systems."""
    shares = {f"worst_{percent}": worst_share(errors, percent / 100) for percent in (1, 5)}
    return {"median_mse": float(errors.median()), **shares}


def worst_share(errors: Tensor, share: float) -> float:
    """Return the share of the total error that this share of the systems holds, at least one system."""
    count = max(1, round(share * len(errors)))
    total = errors.double().sum()
    return float(errors.double().topk(count).values.sum() / total) if total > 0 else 0.0


def equivariance(module: FitModule, data: InMemoryDataset) -> float:
    """Return the largest error under E(3) of the first systems, relative to their coordinates."""
    task: Any = module  # of the n-body task, with names of inputs and targets
    first: Any = data[0]
    particles = first.num_nodes
    count = min(len(data), max(2, EDGES // (particles * (particles - 1))))
    some: Any = data[:count]
    batch: Any = Batch.from_data_list(some)
    inputs = {**task.attributes(batch, task.inputs, "inputs"), "batch": batch.batch}
    reps = {name: rep for name, rep in REPS.items() if name in inputs}
    output = tuple(OUTPUTS.get(name, "point") for name in task.targets)
    output = output[0] if len(output) == 1 else output
    return max(equivariance_error(module.model, inputs, "E(3)", reps, output).values())
