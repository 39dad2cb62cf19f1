"""Model under test as a function of a list of structures, in one precision."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch, Data

from fa_pyg.neighbors import radius_graph
from fa_pyg.reps import RepLike
from fa_pyg.testing.reports.names import Binding
from fa_pyg.testing.reports.outputs import cut, level_of, tensors, unreal
from fa_pyg.testing.reports.structures import count

__all__ = ["Declared", "ModelError", "RowsError", "Subject"]

NODES = 4096  # of a call, to bound its memory
Declared = Mapping[str, RepLike] | RepLike | None  # representations of outputs, by name


class ModelError(Exception):
    """Exception that a model has raised, with the structure."""


class RowsError(ModelError):
    """Output of a batch whose rows are neither nodes nor structures."""

    def __init__(self, name: str, shape: Sequence[int], sizes: Sequence[int]) -> None:
        super().__init__(
            f"the output {name!r} has the shape {list(shape)}, for {sum(sizes)} nodes of {len(sizes)} "
            "structures"
        )
        self.name = name


class Subject:
    """Model in one precision.

    Args:
        model: module or function, which is copied where possible.
        binding: how it is called.
        dtype: of parameters and floating point inputs.
        declared: representations of the outputs, which name them.
        edges: cutoff of the edges that the model needs; None to take those of the data.
        training: whether to put it in training mode; None to leave it as it is.
    """

    def __init__(
        self,
        model: Callable,
        binding: Binding,
        dtype: torch.dtype,
        declared: Declared = None,
        edges: float | None = None,
        training: bool | None = False,
    ) -> None:
        self.model, self.binding, self.dtype = _converted(model, dtype, training), binding, dtype
        self.declared, self.edges = declared, edges
        self.together = binding.takes_batch
        self.levels: dict[str, str] = {}
        self.skipped: set[str] = set()  # outputs that have rows of neither nodes nor structures
        self.others: dict[str, str] = {}  # type of outputs that are not real numbers
        self.wants_grad = False
        self.sets_default = False  # whether the default precision of torch is set as well

    def __call__(self, data: Sequence[Data], together: bool | None = None) -> list[dict[str, Tensor]]:
        """Outputs of each structure, in float64, without gradients.

        Args:
            data: structures.
            together: whether they share a call; default if the model can.
        """
        found: list[dict[str, Tensor]] = []
        for part in self.parts(data, self.together if together is None else together):
            values = self.numbers(part)
            columns = {
                k: cut(v.detach().double().cpu(), self.levels[k], _sizes(part)) for k, v in values.items()
            }
            found += [{k: column[row] for k, column in columns.items()} for row in range(len(part))]
        return found

    def numbers(self, part: Sequence[Data]) -> dict[str, Tensor]:
        """Outputs without gradients, unless the model computes some itself."""
        try:
            with torch.set_grad_enabled(self.wants_grad):
                return self.values(part, self.batch(part))
        except ModelError as error:
            if self.wants_grad or "grad" not in str(error):
                raise
        self.wants_grad = True
        return self.numbers(part)

    def parts(self, data: Sequence[Data], together: bool) -> list[list[Data]]:
        """Structures that share a call."""
        if not together:
            return [[one] for one in data]
        parts: list[list[Data]] = []
        nodes = NODES
        for one in data:
            if nodes + count(one) > NODES:
                parts.append([])
                nodes = 0
            parts[-1].append(one)
            nodes += count(one)
        return parts

    def batch(self, data: Sequence[Data]) -> Data:
        """Collate structures in the precision of the model."""
        keys = set.intersection(*({*one.keys()} for one in data)) - {"name_", "num_nodes"}
        made = []
        for one in data:
            values = {k: self._cast(one[k]) for k in sorted(keys)}
            made.append(Data(**values, num_nodes=count(one)))
        return cast(Data, Batch.from_data_list(made))

    def _cast(self, value: Tensor) -> Tensor:
        return value.to(self.dtype) if value.is_floating_point() else value

    def values(self, data: Sequence[Data], batch: Data) -> dict[str, Tensor]:
        """Outputs of a batch, by name, with their gradients if there are any.

        Raises:
            ModelError: for any exception of the model, and outputs without rows of nodes or structures.
        """
        try:
            with warnings.catch_warnings(), _default(self.dtype if self.sets_default else None):
                warnings.simplefilter("ignore")
                out = self._run(batch)
        except Exception as error:  # of a model of any kind
            raise ModelError(_said(error, data)) from error
        self.others = unreal(out)
        found = {k: v for k, v in tensors(out, self.declared).items() if k not in self.skipped}
        if not found:
            raise ModelError("no output has rows of nodes or structures")
        for name, value in found.items():
            level = level_of(value, _sizes(data))
            if level is None:
                raise RowsError(name, value.shape, _sizes(data))
            self.levels.setdefault(name, level)
        return found

    def _run(self, batch: Data) -> Any:
        kind = self.binding.kind
        if kind == "arguments":
            arguments = {p: self._argument(batch, source) for p, source in self.binding.sources.items()}
            positional = [v for p, v in arguments.items() if isinstance(p, int)]
            return self.model(*positional, **{p: v for p, v in arguments.items() if isinstance(p, str)})
        whole = copy.copy(batch)
        if self.edges is not None:
            whole["edge_index"] = self._argument(batch, "edge_index")
        for name, source in (("atomic_numbers", "z"), ("positions", "pos"), ("natoms", "natoms")):
            if name not in whole and (source in whole or source == "natoms"):
                whole[name] = self._argument(batch, source)
        return self.model(whole if kind == "data" else {k: whole[k] for k in whole.keys()})  # noqa: SIM118

    def _argument(self, batch: Data, source: str) -> Any:
        if source in batch and source not in ("num_graphs", "natoms"):
            return batch[source]
        if source == "num_graphs":
            return len(batch["ptr"]) - 1
        if source == "natoms":
            return batch["ptr"].diff()
        if source == "edge_index":
            assert self.edges is not None  # else it is bound to edges of the data
            return radius_graph(batch["pos"].detach(), self.edges, batch["batch"], max_num_neighbors=None)
        first, second = self._argument(batch, "edge_index")
        vector = batch["pos"][first] - batch["pos"][second]
        return vector if source == "edge_vec" else vector.norm(dim=1)


@contextmanager
def _default(dtype: torch.dtype | None) -> Iterator[None]:
    """Set the default precision, which tensors have that a model makes without telling theirs."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(before if dtype is None else dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _converted(model: Callable, dtype: torch.dtype, training: bool | None) -> Callable:
    """Copy of a model in another precision and mode; what is not a module stays as it is."""
    if not isinstance(model, nn.Module):
        return model
    try:
        made = copy.deepcopy(model)
    except Exception:  # it holds what cannot be copied, and is checked itself, as it is
        return model
    made = made.to("cpu", dtype)
    return made if training is None else made.train(training)


def _sizes(data: Sequence[Data]) -> list[int]:
    return [int(count(one)) for one in data]


def _said(error: Exception, data: Sequence[Data]) -> str:
    lines = str(error).strip().splitlines()
    names = ", ".join(one["name_"] for one in data[:3]) + (", ..." if len(data) > 3 else "")
    return f"{type(error).__name__}: {lines[0][:200] if lines else ''} (on {names})"
