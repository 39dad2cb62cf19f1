"""Molecules as a Lightning data module: splits, names and units of the targets."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor
from torch_geometric.data import Batch, Dataset, InMemoryDataset

from fa_pyg.datasets import OnDiskLoader
from fa_pyg.io.elements import SYMBOLS
from fa_pyg.loader.collated import CollatedGraphs
from fa_pyg.train.data import SplitData
from fa_pyg.train.tasks.graphs import whole
from fa_pyg.train.tasks.targets import MoleculesOnDisk, Targets, boxes


class MoleculeData(SplitData):
    """Training, validation and test molecules.

    Crystals, slabs, molecules and atoms alone may be mixed: batches of them have ``cell`` and ``pbc``, zero
    and False for what is not periodic.

    A data set in memory is looked through at once, and kept on the device that trains. Any other is read
    molecule by molecule, in the same order, with the same batches: memory does not grow with it.

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
        num_workers: processes that read what is not in memory.
        num_fitted: to so many training molecules references and scales are fitted, of what is not in memory.
            Every element has to be among them.

    Raises:
        ValueError: for targets that the data do not have, numbers that are not finite and training molecules
            of elements that no reference was fitted for, with the molecule, when it is read; for ``pbc``
            without ``cell`` and the reverse; or if nothing is left to train on.
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
        taken = [one for one in (val, test) if isinstance(one, int)]
        if any(one < 1 for one in taken) or sum(taken) >= len(dataset):
            raise ValueError(
                f"val and test are {val} and {test}, expected 1 or more each, and less than {len(dataset)}"
            )
        for name, value in (("num_fitted", num_fitted), ("num_train", 1 if num_train is None else num_train)):
            if value < 1:
                raise ValueError(f"{name} is {value}, expected 1 or more")
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
        """The molecules of one split, with ``z``, ``pos`` and the targets."""
        self.setup()
        return self._splits[name]

    def sample(self) -> Batch:
        """The molecules that references and scales are fitted to: of those in memory, all for training."""
        train = self.split("train")
        if isinstance(train, Batch):
            return train
        places = self._shuffled(len(train))[: self.num_fitted].sort().values
        return next(iter(OnDiskLoader(train, self.num_fitted, sampler=places)))

    def expect(self, known: Tensor) -> None:
        """Says which elements have references, ``[118 + 1]``: training molecules of others are refused when
        they are read, and there is a warning where those to validate or test on are in memory.
        """
        for name, part in self._splits.items():
            if isinstance(part, MoleculesOnDisk):
                part.known = known if name == "train" else None
            elif (odd := ~known[part.z]).any():
                symbols = ", ".join(SYMBOLS[z] for z in part.z[odd].unique().tolist())
                many = len(part.batch[odd].unique())
                warnings.warn(
                    f"{name}: found {symbols} in {many} of {part.num_graphs} molecules, of which none is in "
                    "the training set: their errors are those of a guess",
                    stacklevel=2,
                )

    def _shuffled(self, size: int) -> Tensor:
        return torch.randperm(size, generator=torch.Generator().manual_seed(self.split_seed))

    def _part(self, dataset: Dataset, ids: Tensor) -> Batch | MoleculesOnDisk:
        if not isinstance(dataset, InMemoryDataset):
            return MoleculesOnDisk(dataset, ids, self.targets)
        batch = whole(dataset)
        wanted = self.targets.of(batch) | boxes(batch)
        for name in [name for name in batch._slice_dict if name not in ("z", "pos")]:
            del batch._slice_dict[name], batch._inc_dict[name], batch._store[name]
        nodes, graphs = batch._slice_dict["z"], torch.arange(batch.num_graphs + 1)
        for name, value in wanted.items():
            batch[name] = value
            batch._slice_dict[name] = nodes if len(value) == batch.num_nodes else graphs
            batch._inc_dict[name] = None
        batch._store.pop("num_nodes", None)  # positions say it, as in batches that are read
        return CollatedGraphs(batch, batch._slice_dict, batch._inc_dict).select(ids)
