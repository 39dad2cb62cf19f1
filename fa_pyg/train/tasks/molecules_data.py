"""Data module of molecules: splits, names and units of the targets."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch, Dataset, InMemoryDataset

from fa_pyg import checks
from fa_pyg.io.elements import SYMBOLS
from fa_pyg.loader import OnDiskLoader
from fa_pyg.loader.collated import CollatedGraphs
from fa_pyg.train.split_data import SplitData
from fa_pyg.train.tasks.cells import cells
from fa_pyg.train.tasks.graphs import whole
from fa_pyg.train.tasks.molecules_on_disk import MoleculesOnDisk
from fa_pyg.train.tasks.targets import Targets

__all__ = ["MoleculeData"]


class MoleculeData(SplitData):
    """Training, validation and test molecules.

    Crystals, slabs, molecules and isolated atoms may be mixed: batches of them have ``cell`` and ``pbc``,
    zero and False for molecules.

    A data set in memory is checked at once, and kept on the device that trains. Any other is read molecule by
    molecule, in the same order and batches: memory does not grow with it.

    Args:
        dataset: the training set; if ``val`` or ``test`` are numbers, these are split off at random.
        val, test: data sets, or numbers of molecules of ``dataset``.
        num_train: how many of the (shuffled) rest to train on; default all.
        targets: names of the targets; set by the weights of the loss.
        attributes: attribute of the data by target, if its name is another; ``"y:7"`` is column 7 of the
            attribute y.
        factors: factor by target that converts it to eV, Å and e.
        batch_size: molecules per step and process in training.
        eval_batch_size: molecules per step and process in validation and test; default ``batch_size``.
        split_seed: of the random splits, which are the same for all seeds of the training.
        seed: of the order of the training molecules.
        num_workers: processes that read what is not in memory.
        num_fitted: number of training molecules that references and scales are fitted to, if they are not in
            memory. They must have every element.

    Raises:
        ValueError: for targets that the data do not have, numbers that are not finite and training molecules
            of elements without a reference, with the molecule, when it is read; for ``pbc`` without ``cell``
            and the reverse; or if nothing is left to train on.
    """

    def __init__(
        self,
        dataset: Dataset,
        val: int | Dataset = 1000,
        test: int | Dataset = 1000,
        num_train: int | None = None,
        targets: Sequence[str] = ("energy", "forces"),
        attributes: dict[str, str] | None = None,
        factors: dict[str, float] | None = None,
        batch_size: int = 32,
        eval_batch_size: int | None = None,
        split_seed: int = 0,
        seed: int = 0,
        num_workers: int = 0,
        num_fitted: int = 10_000,
    ) -> None:
        super().__init__(batch_size, eval_batch_size, seed, num_workers)
        counts = [one for one in (val, test) if isinstance(one, int)]
        if any(one < 1 for one in counts) or sum(counts) >= len(dataset):
            expected = f"1 or more each, and less than {len(dataset)} together"
            checks.refuse("val, test", f"{expected} (--data.val N --data.test N)", (val, test))
        checks.integer("num_fitted", num_fitted)
        checks.integer("num_train", num_train, optional=True)
        self.given = {"train": dataset, "val": val, "test": test}
        self.num_train, self.num_fitted, self.split_seed = num_train, num_fitted, split_seed
        self.targets = Targets(tuple(targets), attributes or {}, factors or {})
        self._splits: dict[str, Batch | MoleculesOnDisk] = {}

    def setup(self, stage: str | None = None) -> None:
        if self._splits:
            return
        dataset = self.given["train"]
        order = torch.arange(len(dataset))
        if any(isinstance(self.given[name], int) for name in ("val", "test")):
            order = self._shuffled(len(dataset))
        for name in ("val", "test"):
            given = self.given[name]
            if isinstance(given, int):
                part, order = order[:given], order[given:]
                self._splits[name] = self._part(dataset, part)
            else:
                self._splits[name] = self._part(given, torch.arange(len(given)))
        self._splits["train"] = self._part(dataset, order[: self.num_train])

    def split(self, name: str) -> Batch | MoleculesOnDisk:
        """Return the molecules of one split, with ``z``, ``pos`` and the targets."""
        self.setup()
        return self._splits[name]

    def sample(self) -> Batch:
        """Return the molecules that references and scales are fitted to; in memory, all for training."""
        train = self.split("train")
        if isinstance(train, Batch):
            return train
        indices: Any = self._shuffled(len(train))[: self.num_fitted].sort().values
        return next(iter(OnDiskLoader(train, self.num_fitted, sampler=indices)))

    def expect(self, known: Tensor) -> None:
        """Set the elements that have references ``[118 + 1]``.

        Training molecules of others are refused when they are read; validation and test molecules in memory
        cause a warning.
        """
        splits: dict[str, Any] = dict(self._splits)
        for name, part in splits.items():
            if isinstance(part, MoleculesOnDisk):
                part.known = known if name == "train" else None
            elif (odd := ~known[part.z]).any():
                symbols = ", ".join(SYMBOLS[z] for z in part.z[odd].unique().tolist())
                many = len(part.batch[odd].unique())
                warnings.warn(
                    f"{name}: expected elements of the training set, found {symbols} in {many} of "
                    f"{part.num_graphs} molecules: their errors say nothing about the model",
                    stacklevel=2,
                )

    def _shuffled(self, size: int) -> Tensor:
        return torch.randperm(size, generator=torch.Generator().manual_seed(self.split_seed))

    def _part(self, dataset: Dataset, ids: Tensor) -> Batch | MoleculesOnDisk:
        if not isinstance(dataset, InMemoryDataset):
            return MoleculesOnDisk(dataset, ids, self.targets)
        batch = whole(dataset)
        wanted = self.targets.of(batch) | cells(batch)
        for name in [name for name in batch._slice_dict if name not in ("z", "pos")]:
            del batch._slice_dict[name], batch._inc_dict[name], batch._store[name]
        nodes, graphs = batch._slice_dict["z"], torch.arange(batch.num_graphs + 1)
        for name, value in wanted.items():
            batch[name] = value
            batch._slice_dict[name] = nodes if len(value) == batch.num_nodes else graphs
            batch._inc_dict[name] = None
        batch._store.pop("num_nodes", None)  # implied by the positions, as in batches that are read
        return CollatedGraphs(batch, batch._slice_dict, batch._inc_dict).select(ids)
