"""Molecules as a Lightning data module: splits, names and units of the targets."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch_geometric.data import Batch, InMemoryDataset

from fa_pyg.datasets.collated import CollatedGraphs
from fa_pyg.train.data import SplitData
from fa_pyg.train.graphs import whole


class MoleculeData(SplitData):
    """Training, validation and test molecules.

    Args:
        dataset: what to train on; where ``val`` or ``test`` are numbers, these are taken out of it at random.
        val, test: data sets, or how many molecules of ``dataset``.
        num_train: the first so many of the (shuffled) rest; default all.
        targets: names of what is learned; given by the weights of the loss.
        attributes: where a target is in the data, if not under its own name: that of another attribute, or
            ``"y:7"``, the column 7 of the attribute y.
        factors: what a target is multiplied with, to be in eV, Angstrom and e.
        batch_size: molecules per step and process in training.
        eval_batch_size: molecules per step and process in validation and test; ``batch_size`` where None.
        split_seed: of the random splits, which are the same for all seeds of the training.
        seed: of the order of the training molecules.

    Raises:
        ValueError: for targets that the data do not have, numbers that are not finite, or if nothing is left
            to train on.
    """

    def __init__(
        self,
        dataset: InMemoryDataset,
        val: int | InMemoryDataset = 1000,
        test: int | InMemoryDataset = 1000,
        num_train: int | None = None,
        targets: Sequence[str] = ("energy", "forces"),
        attributes: dict[str, str] | None = None,
        factors: dict[str, float] | None = None,
        batch_size: int = 32,
        eval_batch_size: int | None = None,
        split_seed: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, eval_batch_size, seed)
        taken = [one for one in (val, test) if isinstance(one, int)]
        if any(one < 1 for one in taken) or sum(taken) >= len(dataset):
            raise ValueError(
                f"val and test are {val} and {test}, expected 1 or more each, and less than {len(dataset)}"
            )
        self.given = {"train": dataset, "val": val, "test": test}
        self.num_train, self.split_seed = num_train, split_seed
        self.targets = tuple(targets)
        self.attributes, self.factors = attributes or {}, factors or {}
        self._splits: dict[str, Batch] = {}

    def setup(self, stage: str | None = None) -> None:
        if self._splits:
            return
        dataset = self.given["train"]
        order = torch.arange(len(dataset))
        if any(isinstance(self.given[name], int) for name in ("val", "test")):
            order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(self.split_seed))
        for name in ("val", "test"):
            given = self.given[name]
            if isinstance(given, int):
                part, order = order[:given], order[given:]
                self._splits[name] = self._batch(dataset, part)
            else:
                self._splits[name] = self._batch(given, torch.arange(len(given)))
        self._splits["train"] = self._batch(dataset, order[: self.num_train])

    def split(self, name: str) -> Batch:
        """The molecules of one split, with ``z``, ``pos`` and the targets."""
        self.setup()
        return self._splits[name]

    def sample(self) -> Batch:
        """The molecules that references and scales are fitted to."""
        return self.split("train")

    def _batch(self, dataset: InMemoryDataset, ids: Tensor) -> Batch:
        batch = whole(dataset)
        wanted = {name: self._target(batch, name) for name in self.targets}
        keep = {"z", "pos", *(("cell", "pbc") if self._is_periodic(batch) else ())}
        for name in [name for name in batch._slice_dict if name not in keep]:
            del batch._slice_dict[name], batch._inc_dict[name], batch._store[name]
        nodes, graphs = batch._slice_dict["z"], torch.arange(batch.num_graphs + 1)
        for name, value in wanted.items():
            batch[name] = value
            batch._slice_dict[name] = nodes if len(value) == batch.num_nodes else graphs
            batch._inc_dict[name] = None
        return CollatedGraphs(batch, batch._slice_dict, batch._inc_dict).select(ids)

    def _target(self, batch: Batch, name: str) -> Tensor:
        key, _, column = self.attributes.get(name, name).partition(":")
        if key not in batch:
            found = ", ".join(sorted(batch.keys()))
            raise ValueError(f"targets: the data have no {key!r} for {name!r}; they have {found}")
        value = batch[key]
        value = value[:, int(column)] if column else value
        if len(value) not in (batch.num_nodes, batch.num_graphs):
            raise ValueError(
                f"targets: expected {batch.num_graphs} or {batch.num_nodes} rows of {key!r}, "
                f"found {list(value.shape)}"
            )
        value = value * self.factors.get(name, 1)
        if not value.isfinite().all():
            raise ValueError(f"targets: expected finite numbers, found {name!r} with others")
        return value

    @staticmethod
    def _is_periodic(batch: Batch) -> bool:
        return "cell" in batch and "pbc" in batch and bool(batch.pbc.any())
