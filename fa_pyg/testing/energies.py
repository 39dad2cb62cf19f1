"""Energies and forces of a model, as functions of the positions, also of many displaced copies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data

from fa_pyg.calls import Call, Layout, Name, Named, Signature
from fa_pyg.copies import Copies
from fa_pyg.copies.copies import Slots
from fa_pyg.frames import Frames
from fa_pyg.nn.output_structure import check_dense
from fa_pyg.reps import Rep, RepLike

__all__ = ["Displaced", "Inputs", "System", "call_of"]

Inputs = Data | Named[Any] | Sequence[Any]


def call_of(model: Callable, inputs: Inputs) -> Call:
    """Bind inputs to the arguments of a model; ``batch`` and ``num_graphs`` may be extra ones."""
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    if isinstance(inputs, Mapping):
        kwargs = {str(name): value for name, value in inputs.items()}
    else:
        args = (inputs,) if isinstance(inputs, Data) else tuple(inputs)
    return Call(Signature(model), args, kwargs, extra=("batch", "num_graphs"))


class System:
    """Call of a model that predicts energies, forces, or both.

    Args:
        model: any callable.
        inputs: its arguments: a ``Data`` or ``Batch``, a dict of keywords, or a sequence.
        pos: name of the positions ``[N, d]``, or index in a sequence.
        energy, forces: keys, if the model returns a dict or a tuple.

    Raises:
        ValueError: for a call without such positions.
    """

    def __init__(self, model: Callable, inputs: Inputs, pos: Name, energy: Any, forces: Any = None) -> None:
        self.model, self.energy_key, self.forces_key = model, energy, forces
        self.call = call_of(model, inputs)
        self.name = self.call.signature.name(pos) if isinstance(pos, int) else pos
        value = self.call.get(self.name)
        if not isinstance(value, Tensor) or value.dim() != 2:
            names = ", ".join(map(str, self.call.values))
            raise ValueError(f"pos: expected a tensor [N, d] of the call, found {pos!r}; it has {names}")
        if not len(value):
            raise ValueError(f"pos: expected at least one row, found {list(value.shape)}")
        self.pos = value.detach()

    @cached_property
    def layout(self) -> Layout:
        """Graph of each row of the call, as in a framed model."""
        return Layout(self.call, getattr(self.model, "levels", None), nodes=self.name)

    def energy(self, pos: Tensor) -> Tensor:
        """Total energy of all graphs, at other positions."""
        return self.energy_of_each(pos).sum()

    def energy_of_each(self, pos: Tensor) -> Tensor:
        """Energy of each graph ``[B]``, at other positions."""
        return self.energies(self.call.run(self.model, {self.name: pos}))

    def forces(self) -> Tensor:
        """Forces ``[N, d]``."""
        return self.forces_of(lambda pos: self.call.run(self.model, {self.name: pos}), self.pos)

    def energies(self, out: Any, size: int | None = None) -> Tensor:
        """Extract the energies from the output of the model, one per graph.

        Raises:
            ValueError: for anything else, or a number other than ``size``.
        """
        energy = _part(out, "energy", self.energy_key)
        if energy.dim() > 1 and energy[:1].numel() > 1:
            raise ValueError(
                f"energy: expected a number per graph, found a tensor of shape {list(energy.shape)}"
            )
        if size is not None and energy.numel() != size:
            raise ValueError(f"energy: expected a number per graph, {size}, found {energy.numel()}")
        return energy.reshape(-1)

    def forces_of(self, call: Callable[[Tensor], Any], pos: Tensor, size: int | None = None) -> Tensor:
        """Forces that a call returns, or minus the gradient of its energies, of ``size`` graphs.

        Raises:
            ValueError: for an output without forces, or an energy without a gradient.
        """
        with torch.enable_grad():
            pos = pos.detach().clone().requires_grad_()
            out = call(pos)
            if self.forces_key is not None:
                forces = _part(out, "forces", self.forces_key).detach()
                if forces.shape != pos.shape:
                    raise ValueError(f"forces: expected {list(pos.shape)}, found {list(forces.shape)}")
                return forces
            energy = self.energies(out, size).sum()
            if not energy.requires_grad:
                raise ValueError(
                    f"model: expected an energy that depends on {self.name!r}, found no gradient"
                )
            return -torch.autograd.grad(energy, pos)[0]


class Displaced:
    r"""Displaced and rotated copies of a call, :math:`x_k = R_k^{-1} (x + u_k)`, several in a run.

    Args:
        system: the call.
        shift: displacements u.
        rotation: of each copy of each graph.
        reps: representations of the inputs that rotate, including the positions.
        nodes: number of nodes in a call, if the model takes ``batch``; else copies run one by one.

    Raises:
        ValueError: for representations of inputs that the call does not have.

    Shapes:
        shift ``[K, N, d]``; rotation ``[K, B, d, d]`` in the type of the positions.
    """

    def __init__(
        self, system: System, shift: Tensor, rotation: Tensor, reps: Named[RepLike], nodes: int
    ) -> None:
        self.system, call = system, system.call
        self.layout = system.layout
        frames = Frames.uniform(rotation, None, self.layout.batch)
        self.copies, self.framed = Copies(self.layout, frames), {}
        for name, rep in reps.items():
            value = call.get(name)
            if not isinstance(value, Tensor):
                raise ValueError(f"input_reps: expected names of tensors of the call, found {name!r}")
            rows = self.layout.rows(name, value)
            self.framed[name] = (frames.to_frame(value, Rep.of(rep), rows), rows)
        displaced = (shift.unsqueeze(-2) @ rotation[:, self.body]).flatten(0, 2)
        pos, *rest = self.framed[system.name]
        self.framed[system.name] = (pos + displaced, *rest)
        self.step = max(1, nodes // len(system.pos)) if call.takes_batch else 1

    @property
    def body(self) -> Tensor:
        """Graph of each node."""
        batch = self.layout.batch
        return self.system.pos.new_zeros(len(self.system.pos), dtype=torch.long) if batch is None else batch

    def forces(self, model: Callable) -> Tensor:
        """Largest force on an atom in each copy of each graph, ``[K, B]``."""
        found = []
        for slots, changed in self._parts():
            pos = changed.pop(self.system.name)
            force = self.system.forces_of(partial(self._run, model, slots, changed), pos, slots.num_graphs)
            norms = force.norm(dim=1).view(-1, len(self.body))
            largest = norms.new_zeros(len(norms), self.layout.num_graphs)
            found.append(largest.scatter_reduce(1, self.body.expand_as(norms), norms, "amax"))
        return torch.cat(found).double()

    def energies(self, model: Callable) -> Tensor:
        """Energy of each copy of each graph, ``[K, B]``."""
        found = []
        for slots, changed in self._parts():
            out = self._run(model, slots, changed, changed[self.system.name])
            energies = self.system.energies(out, slots.num_graphs).detach()
            found.append(energies.view(-1, self.layout.num_graphs))
        return torch.cat(found).double()

    def _parts(self) -> Iterator[tuple[Slots, dict[Name, Tensor]]]:
        for slots in self.copies.slots(self.step):
            yield slots, {name: slots.part(*value) for name, value in self.framed.items()}

    def _run(self, model: Callable, slots: Slots, changed: Mapping[Name, Tensor], pos: Tensor) -> Any:
        return slots.run(model, {**changed, self.system.name: pos})


def _part(out: Any, name: str, key: Any) -> Tensor:
    """Extract the energy or the forces from the output of a model.

    Raises:
        ValueError: naming the keys of the output.
    """
    try:
        value = out if key is None else None if isinstance(out, Tensor) else out[key]
    except (KeyError, IndexError, TypeError):
        value = None
    if isinstance(value, Tensor):
        check_dense(name, value)
        return value
    outputs: Any = out
    numbers = range(len(outputs)) if isinstance(out, (tuple, list)) else ()
    keys = outputs.keys() if hasattr(out, "keys") else numbers
    which = ", ".join(f"{name}={option!r}" for option in keys)
    found = type(out).__name__ + ("" if key is None else f" and {name}={key!r}")
    hint = f"; pass {which}" if which else ""
    raise ValueError(f"{name}: expected a tensor, found a {found} in the output of the model{hint}")
