"""Models that give energies, as functions of the positions of one call or of many displaced copies of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data

from fa_pyg.calls import Call, Layout, Name, Signature
from fa_pyg.copies import Copies
from fa_pyg.copies.copies import Slots
from fa_pyg.frames import Frames
from fa_pyg.reps import Rep, RepLike

__all__ = ["Displaced", "Inputs", "System"]

Inputs = Data | Mapping[Name, Any] | Sequence[Any]


class System:
    """A call of a model that gives energies, forces, or both.

    Args:
        model: any callable.
        inputs: what it is called with: one ``Data``/``Batch``, a dict of keywords or a sequence.
        pos: the name of the positions ``[N, d]``, or their place.
        energy, forces: their keys, where the model returns a dict or a tuple.

    Raises:
        ValueError: if the call has no such positions.
    """

    def __init__(self, model: Callable, inputs: Inputs, pos: Name, energy: Any, forces: Any = None) -> None:
        args, kwargs = (inputs,) if isinstance(inputs, Data) else inputs, {}
        if isinstance(inputs, Mapping):
            args, kwargs = (), inputs
        self.model, self.energy_key, self.forces_key = model, energy, forces
        self.call = Call(Signature(model), tuple(args), kwargs, extra=("batch", "num_graphs"))
        self.name = self.call.signature.name(pos) if isinstance(pos, int) else pos
        value = self.call.get(self.name)
        if not isinstance(value, Tensor) or value.dim() != 2:
            names = ", ".join(map(str, self.call.values))
            raise ValueError(f"pos: the call has no tensor {pos!r} of shape [N, d]; it has {names}")
        if not len(value):
            raise ValueError(f"pos: expected at least one row, found {list(value.shape)}")
        self.pos = value.detach()

    @cached_property
    def layout(self) -> Layout:
        """Which rows of the call belong to which graph, as a framed model says."""
        return Layout(self.call, getattr(self.model, "levels", None), nodes=self.name)

    def energy(self, pos: Tensor) -> Tensor:
        """The energy of all graphs together, at other positions."""
        return self.energies(self.call.run(self.model, {self.name: pos})).sum()

    def forces(self) -> Tensor:
        """The forces ``[N, d]``."""
        return self.forces_of(lambda pos: self.call.run(self.model, {self.name: pos}), self.pos)

    def energies(self, out: Any, size: int | None = None) -> Tensor:
        """The energies among what the model returns, one for each graph; ``size`` of them, where known."""
        energy = _part(out, "energy", self.energy_key)
        if energy.dim() > 1 and energy[:1].numel() > 1:
            raise ValueError(
                f"energy: expected one number for each graph, found a tensor of shape {list(energy.shape)}"
            )
        if size is not None and energy.numel() != size:
            raise ValueError(f"energy: expected one number for each of {size} graphs, found {energy.numel()}")
        return energy.reshape(-1)

    def forces_of(self, call: Callable[[Tensor], Any], pos: Tensor, size: int | None = None) -> Tensor:
        """The forces that a call returns, or minus the gradient of its energies, of ``size`` graphs."""
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
                raise ValueError(f"model: its energy has no gradient with respect to {self.name!r}")
            return -torch.autograd.grad(energy, pos)[0]


class Displaced:
    r"""Many copies of a call, each displaced and turned, :math:`x_k = R_k^{-1} (x + u_k)`, some in one call.

    Args:
        system: the call.
        shift: the displacements u.
        rotation: of each copy of each graph.
        reps: how the inputs that turn along transform; the positions are among them.
        nodes: how many share a call, where the model takes ``batch``; else one copy does.

    Shapes:
        shift ``[K, N, d]``; rotation ``[K, B, d, d]`` in the type of the positions.
    """

    def __init__(
        self, system: System, shift: Tensor, rotation: Tensor, reps: Mapping[Name, RepLike], nodes: int
    ) -> None:
        self.system, call = system, system.call
        self.layout = system.layout
        frames = Frames.uniform(rotation, None, self.layout.batch)
        self.copies, self.framed = Copies(self.layout, frames), {}
        for name, rep in reps.items():
            value = call.get(name)
            if not isinstance(value, Tensor):
                raise ValueError(f"input_reps: the call has no tensor {name!r}")
            rows = self.layout.rows(name, value)
            self.framed[name] = (frames.to_frame(value, Rep.of(rep), rows), rows)
        turned = (shift.unsqueeze(-2) @ rotation[:, self.body]).flatten(0, 2)
        pos, *rest = self.framed[system.name]
        self.framed[system.name] = (pos + turned, *rest)
        self.step = max(1, nodes // len(system.pos)) if call.takes_batch else 1

    @property
    def body(self) -> Tensor:
        """The graph of each node."""
        batch = self.layout.batch
        return self.system.pos.new_zeros(len(self.system.pos), dtype=torch.long) if batch is None else batch

    def forces(self, model: Callable) -> Tensor:
        """The largest force on an atom of each copy of each graph, ``[K, B]``."""
        found = []
        for slots, changed in self._parts():
            pos = changed.pop(self.system.name)
            force = self.system.forces_of(partial(self._run, model, slots, changed), pos, slots.num_graphs)
            norms = force.norm(dim=1).view(-1, len(self.body))
            largest = norms.new_zeros(len(norms), self.layout.num_graphs)
            found.append(largest.scatter_reduce(1, self.body.expand_as(norms), norms, "amax"))
        return torch.cat(found).double()

    def energies(self, model: Callable) -> Tensor:
        """The energy of each copy of each graph, ``[K, B]``."""
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
    """The energy or the forces among what a model returns."""
    try:
        value = out if key is None else None if isinstance(out, Tensor) else out[key]
    except (KeyError, IndexError, TypeError):
        value = None
    if isinstance(value, Tensor):
        return value
    keys = out.keys() if hasattr(out, "keys") else range(len(out)) if isinstance(out, (tuple, list)) else ()
    which = ", ".join(f"{name}={one!r}" for one in keys)
    found = type(out).__name__ + ("" if key is None else f" and {name}={key!r}")
    hint = f": say which it is, of {which}" if which else ""
    raise ValueError(f"{name}: expected a tensor, found that the model returns a {found}{hint}")
