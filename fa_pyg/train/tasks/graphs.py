"""Classification of graphs: the training step, and the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch_geometric.data import Batch, InMemoryDataset
from torch_geometric.transforms import BaseTransform

from fa_pyg.loader.collated import CollatedGraphs
from fa_pyg.train.data import SplitData
from fa_pyg.train.fit import FitModule
from fa_pyg.transforms import data_frames


class GraphModule(FitModule):
    r"""Classification of graphs in two classes, as in EXP-classify of "The Surprising Power of Graph Neural
    Networks with Random Node Initialization" (Abboud et al. 2021).

    .. math:: L = -\frac{1}{B} \sum_b y_b \log \sigma(\hat y_b) + (1 - y_b) \log(1 - \sigma(\hat y_b))

    Frames that are kept with the data (:class:`~fa_pyg.transforms.AddFrames`) are handed to the model.

    Args:
        model: called ``model(x, edge_index, ..., batch=)`` with what ``inputs`` names, by keyword but for the
            first two; returns ``[B, 1]``, logits.
        lr, weight_decay, schedule: as in :class:`~fa_pyg.train.FitModule`.
        inputs: names of the attributes to hand to the model.
        target: name of the attribute to predict, 0 or 1 for each graph.
        sample: draw so many of a graph's kept frames in each step, in evaluation too; default all.

    Raises ValueError for what :class:`~fa_pyg.train.FitModule` does, and for outputs of another shape.
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

    def forward(self, data) -> Tensor:
        """The logits [B] of a PyG Batch."""
        values = self.taken(data, self.inputs, "inputs")
        args = [values.pop(name) for name in self.inputs[:2]]
        if "frame_order" in data:
            frames = data_frames(data)
            values["frames"] = frames if self.sample is None else frames.sample(self.sample)
        logits = self.model(*args, **values, batch=data.batch)
        if logits.shape != (data.num_graphs, 1):
            raise ValueError(f"model: expected logits [{data.num_graphs}, 1], found {list(logits.shape)}")
        return logits.squeeze(1)

    def measures(self, predicted: Tensor, batch) -> tuple[Tensor, ...]:
        target = self.taken(batch, [self.target], "target")[self.target].to(predicted.dtype)
        right = (predicted > 0) == (target > 0.5)
        return binary_cross_entropy_with_logits(predicted, target), right.to(predicted.dtype).mean()


class GraphData(SplitData):
    """A data set of graphs, cut into validation, test and training split in this order.

    Args:
        dataset: all graphs.
        transforms: of all graphs at once, and once: degrees, supports, frames that do not depend on chance.
        val, test: the first so many graphs validate, the next so many test, the rest train. Published for
            EXP: 200 and 200 of 1200.
        batch_size: graphs per step and process in training.
        eval_batch_size: graphs per step and process in validation and test; ``batch_size`` where None.
        seed: of the order of the training graphs.

    Raises ValueError if no graphs are left to train on.
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
            raise ValueError(f"val and test are {val} and {test}, expected less than {len(dataset)} together")
        self.dataset, self.transforms = dataset, list(transforms)
        self.ends = {"val": (0, val), "test": (val, val + test), "train": (val + test, len(dataset))}
        self._graphs: CollatedGraphs | None = None

    def setup(self, stage: str | None = None) -> None:
        if self._graphs is None:
            batch = whole(self.dataset)
            for transform in self.transforms:
                batch = transform(batch)
            self._graphs = CollatedGraphs(batch, batch._slice_dict, batch._inc_dict)

    def split(self, name: str) -> Batch:
        """The graphs of one split, transformed."""
        self.setup()
        return self._graphs.select(torch.arange(*self.ends[name]))


def whole(dataset: InMemoryDataset) -> Batch:
    """All graphs of a data set as one batch."""
    graphs = CollatedGraphs(dataset._data, dataset.slices)
    return graphs.select(torch.as_tensor(dataset.indices()))
