"""Energies, forces and whatever else a network says of molecules, in their own units."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.builders import Frame
from fa_pyg.copies import Signature
from fa_pyg.models.cells import INPUTS, framed_periodic, is_periodic, strained
from fa_pyg.models.molecule_heads import check_heads
from fa_pyg.models.references import AtomicReference
from fa_pyg.nn import FrameAveraging, radius_graph
from fa_pyg.nn.periodic import edge_vectors, periodic_edges

__all__ = ["Potential"]

REPS = {
    "scalar": "scalar",
    "mean": "scalar",
    "vector": "vector",
    "tensor": "tensor",
    "node scalar": "scalar",
    "node vector": "vector",
}
REFERENCED = ("scalar", "mean")
MAX_Z = 118


class Potential(nn.Module):
    r"""A network on molecules, in a frame, with the scale of its targets, and forces.

    .. math:: E(x) = \sum_i \epsilon_{z_i} + s\, \langle\Phi\rangle(x), \qquad
              F_i = -\frac{\partial E}{\partial x_i}, \qquad
              \sigma = \frac1V \frac{\partial E}{\partial \eta}

    The derivatives (:math:`\eta` is a strain) are taken through the frame. The atomic reference energies are
    float64 and outside of it, so that a rotation does not change a digit of them.

    Of a periodic system the axes are made of the cell's vectors, and the network sees the vectors between
    neighbours, both framed: wrapping an atom back into the cell changes neither. While the cell is fixed, so
    are the frames.

    Args:
        model: the network, such as :class:`~fa_pyg.models.FAENet`, or any that is called with some of ``z``,
            ``pos``, ``batch``, ``edge_index``, ``edge_vec`` and ``num_graphs`` by these names and returns an
            energy ``[B]`` or ``[B, 1]``, or a dict. Not framed yet, unless ``frame`` is None.
        frame: e.g. ``WeightedPCAFrame("E(3)")``; None for networks that are invariant by themselves.
        heads: what the network returns, by name: as in :class:`~fa_pyg.models.FAENet`. Default: the network's
            own ``heads`` names, else one energy.
        gradient: make ``"forces"`` of ``"energy"``; without, they are what a head of that name says, which is
            cheaper and conserves no energy.
        cutoff: of the neighbours that are searched once for all frames, if the network takes
            ``edge_index``; default the network's ``cutoff``.
        signed_cell: tell a cell from the one with its vectors reversed. The same crystal then has another
            energy in another choice of signs, and forces that inversion forbids, but needs 1 run of the
            network under E(3) or SE(3) (a cube 6 and 3) instead of 8 and 4 (a cube 48 and 24).

    Shapes:
        ``z [N]``, ``pos [N, 3]``, ``batch [N]``, ``cell [B, 3, 3]``, ``pbc [B, 3]`` as in
        :func:`~fa_pyg.nn.periodic.periodic_edges`. Returns a dict of what the heads are called, energies in
        float64; ``"forces" [N, 3]``; with ``stress=True`` also ``"stress" [B, 3, 3]``.

    Raises:
        ValueError: for batches partly periodic, periodic systems and networks without ``edge_vec``, cells
            with less than two directions, forces both of a head and of the energy, no cutoff for a network
            that cannot do without ``edge_index``.

    Not guaranteed: for periodic systems the same energy in another cell of the same crystal, as a supercell
    or a sheared one. Energies of elements that were not in the training set
    (:meth:`unknown_elements`).
    """

    def __init__(
        self,
        model: nn.Module,
        frame: Frame | None = None,
        heads: Mapping[str, str] | None = None,
        gradient: bool = True,
        cutoff: float | None = None,
        signed_cell: bool = False,
    ) -> None:
        super().__init__()
        checks.instance("model", model, nn.Module, "a torch.nn.Module")
        checks.instance("frame", frame, Frame, 'a frame such as PCAFrame("E(3)")', optional=True)
        check_heads(heads)
        checks.flag("gradient", gradient)
        checks.flag("signed_cell", signed_cell)
        checks.number("cutoff", cutoff, above=0, optional=True)
        named = dict(heads or getattr(model, "head_names", None) or {"energy": "scalar"})
        for name, spec in named.items():  # those of the network may be its own
            checks.one_of(f"heads[{name!r}]", spec, REPS)
        if gradient and "forces" in named:
            raise ValueError("gradient: expected False where a head gives the forces, found True")
        if gradient and named.get("energy") != "scalar":
            raise ValueError(f"gradient: expected a scalar head 'energy', found {named}")
        self.heads, self.gradient, self.signed_cell = named, gradient, signed_cell
        self.takes = {name for name in INPUTS if Signature(model).takes(name)}
        self.cutoff = getattr(model, "cutoff", None) if cutoff is None else cutoff
        if self.cutoff is None and _requires(model, "edge_index"):
            raise ValueError(
                f"cutoff: expected one for {type(model).__name__}, which takes edge_index, found None"
            )
        self.returns_tensor = bool(getattr(model, "is_single", not hasattr(model, "head_names")))
        reps = {name: REPS[spec] for name, spec in named.items()}
        levels = {name: "node" if spec.startswith("node") else "graph" for name, spec in named.items()}
        output = {"output": "scalar"} if self.returns_tensor else {"output": reps, "level": levels}
        self.network = model if frame is None else FrameAveraging(model, frame, **output)
        # Shares the network and the frame, which are registered once.
        self._periodic = [model if frame is None else framed_periodic(model, frame, output)]
        self.references = nn.ModuleDict(
            {name: AtomicReference(spec == "mean") for name, spec in named.items() if spec in REFERENCED}
        )
        self.register_buffer("scales", torch.ones(len(named), dtype=torch.float64))
        self.register_buffer("known", torch.zeros(MAX_Z + 1, dtype=torch.bool))

    def forward(
        self,
        z: Tensor,
        pos: Tensor,
        batch: Tensor | None = None,
        cell: Tensor | None = None,
        pbc: Tensor | None = None,
        num_graphs: int | None = None,
        stress: bool = False,
    ) -> dict[str, Tensor]:
        size = num_graphs if num_graphs is not None else 1 if batch is None else int(batch.max()) + 1
        periodic = is_periodic(cell, pbc)
        if stress and not periodic:
            raise ValueError("stress: expected periodic systems, with cell and pbc")
        if stress and self.heads.get("energy") != "scalar":
            raise ValueError(f"stress: expected a scalar head 'energy', found {self.heads}")
        wants_graph = self.training and torch.is_grad_enabled()
        derive = self.gradient or stress
        with torch.set_grad_enabled(derive or torch.is_grad_enabled()):
            if derive and not pos.requires_grad:
                pos = pos.detach().requires_grad_()
            strain = pos.new_zeros(size, 3, 3, requires_grad=True) if stress else None
            if periodic:
                out = self._run_periodic(z, pos, batch, cell, pbc, size, strain)
            else:
                out = self._run(z, strained(pos, strain, batch), batch, size)
            out = self._in_units(out, z, batch, size)
            if derive:
                out |= self._derived(out["energy"], pos, strain, cell, keep=wants_graph)
        return out if wants_graph or not derive else {name: value.detach() for name, value in out.items()}

    def unknown_elements(self, z: Tensor) -> list[int]:
        """The atomic numbers among ``z`` that were not in the training set; none before a fit."""
        fitted = (self.known, *(one.known for one in self.references.values()))
        known = [one for one in fitted if one.any()]
        return z.unique()[~known[0][z.unique()]].tolist() if known else []

    def scale(self, name: str) -> Tensor:
        """The scale of a target; that of the energy for its forces."""
        names = list(self.heads)
        return self.scales[names.index("energy" if name == "forces" and self.gradient else name)]

    def fit_units(self, z: Tensor, batch: Tensor | None, targets: Mapping[str, Tensor]) -> None:
        """Fits atomic references and scales to a training set.

        The scale is the root mean square of what the references leave, and of energies that of the
        forces, times 1 in the unit of length, where there are any.

        Args:
            targets: by name, those of the heads and ``"forces"``; a head without one keeps its units, but
                energies of which the forces alone are known have the scale of these.
        """
        self.known.zero_()[z.unique().to(self.known.device)] = True
        for place, (name, spec) in enumerate(self.heads.items()):
            rest, rounding = None, 1e-12
            if name in targets:
                target = targets[name].detach().double()
                rest = self.references[name].fit(z, batch, target) if spec in REFERENCED else target
                rounding = rounding * target.abs().max().clamp(min=1)
            if name == "energy" and "forces" in targets and (self.gradient or rest is not None):
                rest, rounding = targets["forces"].double(), 1e-12
            if rest is not None:
                scale = rest.square().mean().sqrt()
                self.scales[place] = torch.where(scale > rounding, scale, torch.ones_like(scale))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        # Older checkpoints have those of the references alone.
        state_dict.setdefault(f"{prefix}known", self.known)
        super()._load_from_state_dict(state_dict, prefix, *args)

    # ------------------------------------------------------------------------------ parts of a call

    def _run(self, z: Tensor, pos: Tensor, batch: Tensor | None, size: int) -> Any:
        given = {"z": z, "pos": pos, "batch": batch, "num_graphs": size}
        if "edge_index" in self.takes and self.cutoff is not None:
            given["edge_index"] = radius_graph(
                pos.detach(), self.cutoff, batch, max_num_neighbors=None, batch_size=size
            )
        return self._call(self.network, given)

    def _run_periodic(
        self, z: Tensor, pos: Tensor, batch: Tensor | None, cell: Tensor, pbc: Tensor, size: int, strain: Any
    ) -> Any:
        if "edge_vec" not in self.takes or self.cutoff is None:
            raise ValueError(
                "cell: expected a network that takes edge_vec and has a cutoff, for periodic systems"
            )
        cell = cell.to(pos)
        edge_index, shift = periodic_edges(pos, cell, pbc, self.cutoff, batch)
        vectors = edge_vectors(pos, edge_index, shift, cell, batch)
        owner = None if batch is None else batch.index_select(0, edge_index[1])
        given = {"z": z, "batch": batch, "num_graphs": size, "edge_index": edge_index}
        given["edge_vec"] = strained(vectors, strain, owner)
        framed = self._periodic[0]
        if isinstance(framed, FrameAveraging):
            box = strained(cell * pbc.to(cell).unsqueeze(2), strain, None, rows=3)
            given["cell"] = box if self.signed_cell else torch.cat([box, -box], dim=1)
            if batch is None:
                given["batch"] = torch.zeros_like(z)
            return framed(**given)
        return self._call(framed, given)

    def _call(self, network: nn.Module, given: Mapping[str, Any]) -> Any:
        framed = isinstance(network, FrameAveraging)
        keep = self.takes | ({"batch", "num_graphs"} if framed else set())
        return network(**{name: value for name, value in given.items() if name in keep})

    def _in_units(self, out: Any, z: Tensor, batch: Tensor | None, size: int) -> dict[str, Tensor]:
        if isinstance(out, Tensor):
            out = {next(iter(self.heads)): out.reshape(-1)}
        values = {}
        for (name, spec), scale in zip(self.heads.items(), self.scales, strict=True):
            if spec in REFERENCED:
                values[name] = out[name].reshape(-1).double() * scale.double()
                values[name] = values[name] + self.references[name](z, batch, size)
            else:
                values[name] = out[name] * scale.to(out[name])
        return values

    def _derived(
        self, energy: Tensor, pos: Tensor, strain: Tensor | None, cell: Tensor | None, keep: bool
    ) -> dict[str, Tensor]:
        wanted = [pos] if strain is None else [pos, strain]
        if not energy.requires_grad:  # atoms without neighbours
            found = [torch.zeros_like(one) for one in wanted]
        else:
            found = torch.autograd.grad(
                energy.sum(), wanted, create_graph=keep, retain_graph=keep, materialize_grads=True
            )
        derived = {"forces": -found[0]} if self.gradient else {}
        if strain is not None:
            volume = torch.linalg.det(cell.to(pos)).abs()
            derived["stress"] = found[1] / volume.view(-1, 1, 1)
        return derived


def _requires(model: nn.Module, name: str) -> bool:
    """Whether the module cannot be called without this argument, as far as it says."""
    try:
        parameter = inspect.signature(model.forward).parameters.get(name)
    except ValueError:  # a traced module has no names
        return False
    return parameter is not None and parameter.default is parameter.empty
