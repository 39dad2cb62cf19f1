"""Data of the trainings on point clouds: fresh points of all parts in each epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils.data import Dataset

from fa_pyg import checks
from fa_pyg.loader.epochs import EpochLoader
from fa_pyg.train.split_data import SplitData
from fa_pyg.train.tasks.clouds import REGIMES, Clouds, Draw, draw
from fa_pyg.train.tasks.clouds_sources import SOURCES, stored

__all__ = ["CloudsData"]

Regime = Literal["I", "z", "SO(3)", "O(3)"]
SEEDS = {"train": 2, "val": 0, "test": 1}  # of fixed clouds: the same for every run


class CloudsData(SplitData):
    """Point clouds of CAD parts, meshes or scans, on the device that trains.

    Training draws other points, another rotation and scale of every part in each epoch, for a batch at once.
    Clouds of validation and test are fixed: they depend on the index of the part alone. They are drawn in the
    regime of the training (those of the test: of ``test_rotation``), without random scales.
    :class:`~fa_pyg.train.tasks.clouds.Draw` has the order of these steps.

    Args:
        root: folder of the data set.
        batch_size: clouds per step and process in training. A last batch of one is left out: batch norm of
            features of a cloud needs two.
        eval_batch_size: clouds per step and process in validation and test; default ``batch_size``.
        seed: of the order of the training parts.
        num_points: of a cloud.
        source: ``"cad"`` (:class:`~fa_pyg.datasets.CADNormals`), ``"meshes"``
            (:class:`~fa_pyg.datasets.MeshNormals`), ``"abc"`` (:class:`~fa_pyg.datasets.ABCNormals`) or
            ``"pcpnet"`` (PyG's ``PCPNetDataset`` without noise).
        splitting: of CAD parts: ``"family"``: no family of the test is in training; ``"random"``: all are in
            each split.
        num_parts: the first so many parts of the training split; default all.
        num_eval: the same for validation and for test.
        shipped: take the few CAD parts that come with the project.
        train_rotation: ``"I"``, ``"z"``, ``"SO(3)"`` or ``"O(3)"``; of validation, too.
        scale: range of the scales in training.
        noise, density: of all clouds, as in :class:`~fa_pyg.train.tasks.clouds.Draw`.
        test_rotation: of the clouds of the test alone; default ``train_rotation``.
        on_error: ``"raise"`` for a damaged file of ``"meshes"`` or ``"abc"``; ``"skip"`` leaves it out, with
            a warning.

    Raises:
        ValueError: for settings out of range, and parts with fewer points than a cloud.
    """

    def __init__(
        self,
        root: str | Path = "data/cad",
        batch_size: int = 32,
        eval_batch_size: int | None = None,
        seed: int = 0,
        num_points: int = 512,
        splitting: Literal["family", "random"] = "family",
        num_parts: int | None = None,
        num_eval: int | None = None,
        shipped: bool = False,
        train_rotation: Regime = "I",
        scale: tuple[float, float] = (0.8, 1.25),
        noise: float = 0.0,
        density: float = 0.0,
        source: Literal["cad", "meshes", "abc", "pcpnet"] = "cad",
        test_rotation: Regime | None = None,
        on_error: Literal["raise", "skip"] = "raise",
    ) -> None:
        super().__init__(batch_size, eval_batch_size, seed)
        self.source = checks.one_of("source", source, SOURCES)
        self.root, self.shipped = str(root), checks.flag("shipped", shipped)
        self.splitting = checks.one_of("splitting", splitting, ("family", "random"))
        self.num_parts = checks.integer("num_parts", num_parts, optional=True)
        self.num_eval = checks.integer("num_eval", num_eval, optional=True)
        self.how = Draw(num_points, train_rotation, (scale[0], scale[1]), noise, density)
        if test_rotation is not None:
            checks.one_of("test_rotation", test_rotation, REGIMES)
        self.test_rotation = test_rotation
        self.on_error = checks.one_of("on_error", on_error, ("raise", "skip"))
        self._parts: dict[str, Clouds] = {}

    def dataset(self, name: str) -> Dataset:
        """Return the data set of a split."""
        count = self.num_parts if name == "train" else self.num_eval
        settings = {"splitting": self.splitting, "shipped": self.shipped, "on_error": self.on_error}
        return SOURCES[self.source](self.root, name, self.how.num_points, count, **settings)

    def prepare_data(self) -> None:
        for name in SEEDS:
            self.dataset(name)

    @property
    def num_classes(self) -> int:
        """Number of families of parts."""
        dataset: Any = self.dataset("train")
        return dataset.num_classes

    def split(self, name: str) -> Clouds:
        """Return the stored points of the parts of a split."""
        if name not in self._parts:
            self._parts[name] = stored(self.dataset(name))
        return self._parts[name]

    def fixed(self, name: str, **changes: Any) -> Clouds:
        """Return the clouds of a split that are always the same: those of a part by its index alone.

        Args:
            name: of the split.
            changes: of the settings in :class:`~fa_pyg.train.tasks.clouds.Draw`; not scaled by default, and
                those of the test turned by ``test_rotation``.
        """
        changes = {"scale": (1.0, 1.0), **changes}
        if name == "test" and self.test_rotation is not None:
            changes.setdefault("rotation", self.test_rotation)
        parts, how = self.split(name), replace(self.how, **changes)
        generator = torch.Generator()
        found = []
        for i in range(len(parts)):
            generator.manual_seed(2 * len(SEEDS) * i + SEEDS[name])
            found.append(draw(parts, torch.tensor([i]), how, generator))
        return Clouds.joined(found)

    def _loader(self, name: str, batch_size: int) -> EpochLoader:
        device = self.trainer.strategy.root_device if self.trainer else None
        if name != "train":
            return _CloudLoader(self.fixed(name).to(device), None, batch_size, seed=self.seed)
        parts = self.split(name).to(device)
        single = len(parts) > batch_size and len(parts) % batch_size == 1
        return _CloudLoader(parts, self.how, batch_size, shuffle=True, drop_last=single, seed=self.seed)


class _CloudLoader(EpochLoader):
    """Batches of clouds as they are, or drawn from parts."""

    def __init__(self, clouds: Clouds, how: Draw | None, batch_size: int, **order: Any) -> None:
        places = {"rank": None, "world_size": None, "sampler": None}
        super().__init__(len(clouds), batch_size, **{"shuffle": False, "drop_last": False, **places, **order})
        self.clouds, self.how = clouds, how

    def _batches(self, places: Iterator[Tensor], epoch: int | None) -> Iterator[Any]:
        return (self._some(ids).batch() for ids in places)

    def _some(self, ids: Tensor) -> Clouds:
        return self.clouds.select(ids) if self.how is None else draw(self.clouds, ids, self.how)
