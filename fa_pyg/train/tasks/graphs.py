"""Training of graph classification: step, data and command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch_geometric.data import Batch, InMemoryDataset
from torch_geometric.transforms import BaseTransform

from fa_pyg import checks
from fa_pyg.loader.collated import CollatedGraphs
from fa_pyg.train.cli import FitCLI
from fa_pyg.train.fit import FitModule
from fa_pyg.train.split_data import SplitData
from fa_pyg.transforms import data_frames

__all__ = ["GraphCLI", "GraphData", "GraphModule", "whole"]


class GraphModule(FitModule):
    r"""Binary classification of graphs, as in EXP-classify.

    See "The Surprising Power of Graph Neural Networks with Random Node Initialization" (Abboud et al. 2021).

    .. math:: L = -\frac{1}{B} \sum_b y_b \log \sigma(\hat y_b) + (1 - y_b) \log(1 - \sigma(\hat y_b))

    Frames that are stored with the data (:class:`~fa_pyg.transforms.AddFrames`) are passed to the model.

    Args:
        model: called ``model(x, edge_index, ..., batch=)`` with the attributes in ``inputs``, by keyword
            except for the first two; returns logits ``[B, 1]``.
        lr, weight_decay, schedule: as in :class:`~fa_pyg.train.FitModule`.
        inputs: names of the attributes that the model is called with.
        target: name of the attribute to predict, 0 or 1 for each graph.
        sample: number of stored frames to draw for a graph in each step, in evaluation too; default all.

    Raises:
        ValueError: for outputs of another shape, and as :class:`~fa_pyg.train.FitModule`.
    """

    names, monitor = ("loss", "accuracy"), "loss"

    def __init__(
        self,
        model: nn.Module,
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        schedule: Literal["cosine"] | None = None,
        inputs: Sequence[str] = ("x", "edge_index"),
        target: str = "y",
        sample: int | None = None,
    ) -> None:
        super().__init__(model, lr, weight_decay, schedule)
        self.save_hyperparameters(ignore="model")
        self.inputs, self.target, self.sample = tuple(inputs), target, sample

    def forward(self, data: Any) -> Tensor:
        """Return the logits ``[B]`` of a PyG ``Batch``."""
        values = self.attributes(data, self.inputs, "inputs")
        args = [values.pop(name) for name in self.inputs[:2]]
        if "frame_order" in data:
            frames = data_frames(data)
            values["frames"] = frames if self.sample is None else frames.sample(self.sample)
        logits = self.model(*args, **values, batch=data.batch)
        if logits.shape != (data.num_graphs, 1):
            raise ValueError(f"model: expected logits [{data.num_graphs}, 1], found {list(logits.shape)}")
        return logits.squeeze(1)

    def measures(self, predicted: Tensor, batch: Any) -> tuple[Tensor, ...]:
        target = self.attributes(batch, [self.target], "target")[self.target].to(predicted.dtype)
        correct = (predicted > 0) == (target > 0.5)
        return binary_cross_entropy_with_logits(predicted, target), correct.to(predicted.dtype).mean()


class GraphData(SplitData):
    """Data set of graphs, cut into validation, test and training split in this order.

    Args:
        dataset: all graphs.
        transforms: applied to all graphs at once, and once: degrees, supports, frames that are not random.
        val, test: numbers of graphs of the validation and test split; the rest is for training. Published
            for EXP: 200 and 200 of 1200.
        batch_size: graphs per step and process in training.
        eval_batch_size: graphs per step and process in validation and test; default ``batch_size``.
        seed: of the order of the training graphs.

    Raises:
        ValueError: if no graphs are left to train on.
    """

    def __init__(
        self,
        dataset: InMemoryDataset,
        transforms: Sequence[BaseTransform] = (),
        val: int = 200,
        test: int = 200,
        batch_size: int = 100,
        eval_batch_size: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, eval_batch_size, seed)
        if min(val, test) < 1 or val + test >= len(dataset):
            expected = f"1 or more each, and less than {len(dataset)} together"
            checks.refuse("val, test", f"{expected} (--data.val N --data.test N)", (val, test))
        self.dataset, self.transforms = dataset, list(transforms)
        self.ends = {"val": (0, val), "test": (val, val + test), "train": (val + test, len(dataset))}
        self._graphs: CollatedGraphs | None = None

    def setup(self, stage: str | None = None) -> None:
        if self._graphs is None:
            batch: Any = whole(self.dataset)
            for transform in self.transforms:
                batch = transform(batch)
            self._graphs = CollatedGraphs(batch, batch._slice_dict, batch._inc_dict)

    def split(self, name: str) -> Batch:
        """Return the graphs of one split, transformed."""
        self.setup()
        if self._graphs is None:
            raise ValueError("dataset: expected graphs, found none")
        return self._graphs.select(torch.arange(*self.ends[name]))


class GraphCLI(FitCLI):
    """Command line of a run that classifies graphs."""

    module, data, run = GraphModule, GraphData, "graphs"
    defaults: ClassVar = {"default_root_dir": "runs/graphs"}


def whole(dataset: InMemoryDataset) -> Any:
    """Return all graphs of a data set as one batch."""
    data: Any = dataset._data
    graphs = CollatedGraphs(data, dataset.slices)
    return graphs.select(torch.as_tensor(dataset.indices()))
