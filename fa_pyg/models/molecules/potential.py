"""Energies, forces and whatever else a network says of molecules, in their own units."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.builders import Frame, WeightedPCAFrame
from fa_pyg.calls import Signature
from fa_pyg.models.molecules.cell_frames import CellFrame, Crystals, chosen_cell_frame
from fa_pyg.models.molecules.cells import (
    INPUTS,
    Systems,
    derivatives,
    framed_periodic,
    merged,
    periodic_graphs,
    strained,
    stresses,
)
from fa_pyg.models.molecules.heads import check_heads, check_names
from fa_pyg.models.molecules.inputs import check_crowd, check_pos, check_types, is_traced, number_of_graphs
from fa_pyg.models.molecules.references import AtomicReference
from fa_pyg.neighbors.periodic import edge_vectors, periodic_edges
from fa_pyg.nn import FrameAveraging, radius_graph

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
MAX_NEIGHBORS = 2000  # of an atom; diamond has 160 within 6 Angstrom: more are those of another unit


class Potential(nn.Module):
    r"""A network on molecules, in a frame, with the scale of its targets, and forces.

    .. math:: E(x) = \sum_i \epsilon_{z_i} + s\, \langle\Phi\rangle(x), \qquad
              F_i = -\frac{\partial E}{\partial x_i}, \qquad
              \sigma = \frac1V \frac{\partial E}{\partial \eta}

    The derivatives (:math:`\eta` is a strain) are taken through the frame. The atomic reference energies are
    float64 and outside of it, so that a rotation does not change a digit of them.

    Of a periodic system the axes are made of what ``cell_frame`` reads, by default the lattice, and the
    network sees the vectors between neighbours: wrapping an atom back into the cell changes neither. A batch
    may mix crystals, slabs, molecules and atoms alone, and says of each what it says of it by itself; ``pbc``
    decides which are periodic, and without any a cell is a box that means nothing.

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
        cell_frame: what the frame of a periodic system is read from, and by which frame. Default
            :class:`~fa_pyg.models.LatticeVectors`: the same in every basis of the lattice, 8 runs of the
            network under E(3) and 4 under SE(3) (a cube 48 and 24, fcc in its primitive cell 96 and 48).
            :class:`~fa_pyg.models.LabeledCell` takes 1, for dynamics in one basis;
            :class:`~fa_pyg.models.NeighborVectors` is the same in every supercell, too.
        signed_cell: deprecated; ``CellVectors(signed=...)``, which models of before are trained with.

    Shapes:
        ``z [N]`` (1 to 118), ``pos [N, 3]`` (half precision is made float32), ``batch [N]``,
        ``cell [B, 3, 3]``, ``pbc [B, 3]`` as in :func:`~fa_pyg.neighbors.periodic.periodic_edges`. Returns
        a dict of what the heads are called, energies in float64; ``"forces" [N, 3]``; with ``stress=True``
        also ``"stress" [B, 3, 3]``, NaN for molecules and slabs whose cell has no height, and of other slabs
        by the volume of their cell, vacuum and all.

    Raises:
        ValueError: naming the argument, and the graph or atom where there is one. For forces both of a head
            and of the energy, and no cutoff for a network that cannot do without ``edge_index``. In a call,
            for wrong shapes and types, ``z`` that are no elements, positions that are not finite, ``cell``
            without ``pbc`` and the reverse, flat cells, periodic systems and networks without ``edge_vec``,
            one periodic direction where there is a frame of the cell (which takes two), stress where no cell
            has a volume, and more than 2000 neighbours of an atom, estimated before they are looked for.

    Not guaranteed: for periodic systems the same energy in another cell of the same crystal, but for what
    ``cell_frame`` guarantees. Energies of elements that were not in the training set
    (:meth:`unknown_elements`).
    """

    def __init__(
        self,
        model: nn.Module,
        frame: Frame | None = None,
        heads: Mapping[str, str] | None = None,
        gradient: bool = True,
        cutoff: float | None = None,
        cell_frame: CellFrame | None = None,
        signed_cell: bool | None = None,
    ) -> None:
        super().__init__()
        checks.instance("model", model, nn.Module, "a torch.nn.Module")
        checks.instance("frame", frame, Frame, 'a frame such as PCAFrame("E(3)")', optional=True)
        check_heads(heads)
        checks.flag("gradient", gradient)
        checks.instance("cell_frame", cell_frame, CellFrame, "what frames of cells read", optional=True)
        checks.flag("signed_cell", signed_cell, optional=True)
        checks.number("cutoff", cutoff, above=0, optional=True)
        named = dict(heads or getattr(model, "head_names", None) or {"energy": "scalar"})
        check_names(named)
        for name, spec in named.items():  # those of the network may be its own
            checks.one_of(f"heads[{name!r}]", spec, REPS)
        if gradient and "forces" in named:
            raise ValueError("gradient: expected False where a head gives the forces, found True")
        if gradient and named.get("energy") != "scalar":
            raise ValueError(f"gradient: expected a scalar head 'energy', found {named}")
        if frame is None and cell_frame is not None:
            raise ValueError(f"cell_frame: expected None without a frame, found {cell_frame}")
        self.heads, self.gradient = named, gradient
        self.cell_frame = None if frame is None else chosen_cell_frame(cell_frame, signed_cell)
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
        # Shares the network and the frames, which are registered once.
        self._periodic = [model]
        if frame is not None:
            of_cells = self.cell_frame.of_cells(frame)
            self._periodic = [framed_periodic(model, of_cells, output)]
        self.references = nn.ModuleDict(
            {name: AtomicReference(spec == "mean") for name, spec in named.items() if spec in REFERENCED}
        )
        self.register_buffer("scales", torch.ones(len(named), dtype=torch.float64))
        self.register_buffer("stress_scale", torch.ones((), dtype=torch.float64))
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
        values = not is_traced()
        check_types(z, MAX_Z, least=1, values=values)
        check_pos(pos, z, values)
        size = number_of_graphs(z, batch, num_graphs, values)
        pos = pos.float() if pos.dtype in (torch.float16, torch.bfloat16) else pos
        periodic = periodic_graphs(cell, pbc, size, self.cell_frame.least if self.is_framed else 1)
        if stress and not self.gives_stress:
            raise ValueError(f"stress: expected a scalar head 'energy', found {self.heads}")
        if stress and periodic is None:
            raise ValueError("stress: expected periodic systems, with cell and pbc, found none")
        wants_graph = self.training and torch.is_grad_enabled()
        derive = self.gradient or stress
        with torch.set_grad_enabled(derive or torch.is_grad_enabled()):
            if derive and not pos.requires_grad:
                pos = pos.detach().requires_grad_()
            strain = pos.new_zeros(size, 3, 3, requires_grad=True) if stress else None
            out = self._run(Systems(z, pos, batch, size, cell, pbc, strain), periodic)
            out = self._in_units(out, z, batch, size)
            if derive:
                wanted = [pos] if strain is None else [pos, strain]
                slope = derivatives(out["energy"], wanted, wants_graph)
                out |= {"forces": -slope[0]} if self.gradient else {}
                out |= {"stress": stresses(slope[1], cell.to(pos), periodic)} if stress else {}
        return out if wants_graph or not derive else {name: value.detach() for name, value in out.items()}

    @property
    def is_framed(self) -> bool:
        """Whether axes are made of the cells of periodic systems."""
        return isinstance(self._periodic[0], FrameAveraging)

    @property
    def gives_stress(self) -> bool:
        """Whether there is an energy that stress can be the derivative of."""
        return self.heads.get("energy") == "scalar" and "stress" not in self.heads

    def set_frame(self, frame: Frame | str) -> Potential:
        """Replace the frame, as by a smoother one for evaluation than that of training; returns the model.

        Args:
            frame: of the same group, of which a copy is taken; or the ``smoothness`` of a
                :class:`~fa_pyg.WeightedPCAFrame`: ``"fast"``, ``"forces"`` or ``"dynamics"``. Crystals keep
                the frame of ``cell_frame`` where that has one of its own.

        Raises:
            ValueError: for a frame of another group, and a model that has none.

        Not guaranteed: the accuracy of the frame that the model was trained in. The two outputs differ by as
        much as those of the bare network in two orientations.
        """
        if not self.is_framed:
            checks.refuse("frame", "None for a model without a frame", frame)
        group = self.network.frame.group
        if isinstance(frame, str):
            frame = WeightedPCAFrame(group, smoothness=frame)
        checks.instance("frame", frame, Frame, 'a frame such as PCAFrame("E(3)")')
        if frame.group != group:
            checks.refuse("frame", f"one of {group}, the group of the model", frame)
        frame = deepcopy(frame).to(self.scales.device).train(self.training)
        self.network.frame, self._periodic[0].frame = frame, self.cell_frame.of_cells(frame)
        return self

    def share_calls(self, slots: int | None) -> None:
        """Let so many frames of each graph share a call of the network, where it takes ``batch``.

        Faster for a small molecule on a CPU, where by default each frame of a graph alone is a call.

        Args:
            slots: at least 1; None for the default of :class:`~fa_pyg.nn.FrameAveraging`.
        """
        if self.is_framed and "batch" in self.takes:
            for part in (self.network, *self._periodic):
                part.chunk = slots if slots is None else max(1, slots)

    def unknown_elements(self, z: Tensor) -> list[int]:
        """The atomic numbers among ``z`` that were not in the training set; none before a fit.

        Raises ValueError for what are not atomic numbers.
        """
        check_types(z, MAX_Z)
        fitted = (self.known, *(one.known for one in self.references.values()))
        known = [one for one in fitted if one.any()]
        return z.unique()[~known[0][z.unique()]].tolist() if known else []

    def scale(self, name: str) -> Tensor:
        """The scale of a target; that of the energy for its forces."""
        if name == "stress" and name not in self.heads:
            return self.stress_scale
        names = list(self.heads)
        return self.scales[names.index("energy" if name == "forces" and self.gradient else name)]

    def fit_units(self, z: Tensor, batch: Tensor | None, targets: Mapping[str, Tensor]) -> None:
        """Fits atomic references and scales to a training set.

        The scale is the root mean square of what the references leave, and of energies that of the
        forces, times 1 in the unit of length, where there are any.

        Args:
            targets: by name, those of the heads, ``"forces"`` and ``"stress"`` (NaN where it is not known); a
                head without one keeps its units, but energies of which the forces alone are known have the
                scale of these.

        Raises:
            ValueError: for other names, numbers that are not finite, and ``z`` that are not atomic numbers.
        """
        check_types(z, MAX_Z, least=1)
        given = {*self.heads, "forces", *(("stress",) if self.gives_stress else ())}
        for name, value in targets.items():
            if name not in given:
                raise ValueError(f"targets: expected some of {sorted(given)}, found {name!r}")
            if not (value.isfinite() | value.isnan() & (name == "stress")).all():
                raise ValueError(f"targets: expected finite numbers, found others in {name!r}")
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
        if self.gives_stress and "stress" in targets:
            scale = targets["stress"].double().square().nanmean().sqrt()
            self.stress_scale.copy_(torch.where(scale > 1e-12, scale, torch.ones_like(scale)))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        # Older checkpoints have the elements of the references alone, and no stress.
        state_dict.setdefault(f"{prefix}known", self.known)
        state_dict.setdefault(f"{prefix}stress_scale", self.stress_scale)
        super()._load_from_state_dict(state_dict, prefix, *args)

    # ------------------------------------------------------------------------------ parts of a call

    def _run(self, systems: Systems, periodic: Tensor | None) -> dict[str, Tensor]:
        """What the network says, of periodic graphs and of others apart: their frames read other things."""
        if periodic is None:
            return self._run_molecules(systems)
        if periodic.all():
            return self._run_periodic(systems)
        parts = systems.select(periodic, True), systems.select(~periodic, False)
        outputs = self._run_periodic(parts[0]), self._run_molecules(parts[1])
        outputs = [{name: out[name] for name in self.heads} for out in outputs]
        return merged(parts, outputs, {k for k, spec in self.heads.items() if spec.startswith("node")})

    def _run_molecules(self, some: Systems) -> dict[str, Tensor]:
        given = {"z": some.z, "pos": some.pos, "batch": some.batch, "num_graphs": some.size}
        if "edge_index" in self.takes and self.cutoff is not None:
            given["edge_index"] = radius_graph(
                some.pos.detach(), self.cutoff, some.batch, max_num_neighbors=None, batch_size=some.size
            )
            check_crowd(given["edge_index"], MAX_NEIGHBORS, some.nodes)
        return self._call(self.network, given)

    def _run_periodic(self, some: Systems) -> dict[str, Tensor]:
        if "edge_vec" not in self.takes or self.cutoff is None:
            raise ValueError(
                "cell: expected a network that takes edge_vec and has a cutoff, for periodic systems"
            )
        cell, batch = some.cell.to(some.pos), some.batch
        names = None if some.graphs is None else some.graphs.tolist()
        edge_index, shift = periodic_edges(some.pos, cell, some.pbc, self.cutoff, batch, MAX_NEIGHBORS, names)
        check_crowd(edge_index, MAX_NEIGHBORS, some.nodes)
        vectors = edge_vectors(some.pos, edge_index, shift, cell, batch)
        owner = None if batch is None else batch.index_select(0, edge_index[1])
        given = {"z": some.z, "batch": batch, "num_graphs": some.size, "edge_index": edge_index}
        given["edge_vec"] = strained(vectors, some.strain, owner)
        if self.is_framed:
            box = strained(cell * some.pbc.to(cell).unsqueeze(2), some.strain, None, rows=3)
            owner = torch.zeros_like(edge_index[1]) if owner is None else owner
            crystals = Crystals(box, some.pbc, given["edge_vec"], owner, self.cutoff)
            given["axes"], given["axes_batch"] = self.cell_frame.read(crystals)
            given["batch"] = torch.zeros_like(some.z) if batch is None else batch
        return self._call(self._periodic[0], given)

    def _call(self, network: nn.Module, given: Mapping[str, Any]) -> dict[str, Tensor]:
        keep = self.takes | ({"batch", "num_graphs"} if isinstance(network, FrameAveraging) else set())
        keep = set(given) if "axes" in given else keep
        out = network(**{name: value for name, value in given.items() if name in keep})
        return {next(iter(self.heads)): out.reshape(-1)} if isinstance(out, Tensor) else out

    def _in_units(
        self, out: Mapping[str, Tensor], z: Tensor, batch: Tensor | None, size: int
    ) -> dict[str, Tensor]:
        values = {}
        for (name, spec), scale in zip(self.heads.items(), self.scales, strict=True):
            if spec in REFERENCED:
                values[name] = out[name].reshape(-1).double() * scale.double()
                values[name] = values[name] + self.references[name](z, batch, size)
            else:
                values[name] = out[name] * scale.to(out[name])
        return values


def _requires(model: nn.Module, name: str) -> bool:
    """Whether the module cannot be called without this argument, as far as it says."""
    try:
        parameter = inspect.signature(model.forward).parameters.get(name)
    except ValueError:  # a traced module has no names
        return False
    return parameter is not None and parameter.default is parameter.empty
