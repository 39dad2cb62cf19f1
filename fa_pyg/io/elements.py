"""Chemical elements: symbols by atomic number, and the spellings that files may use."""

from __future__ import annotations

from itertools import product

__all__ = ["ATOMIC_NUMBER", "SYMBOLS"]

_BY_NUMBER = (
    " H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr "
    "Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe "
    "Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn "
    "Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og"
)
#: Element symbols, ``SYMBOLS[z]`` for 1 <= z <= 118; ``SYMBOLS[0]`` is empty.
SYMBOLS: tuple[str, ...] = tuple(_BY_NUMBER.split(" "))


def _spellings() -> dict[bytes, int]:
    """Return symbols in any case, D and T (isotopes of hydrogen), and atomic numbers of 1 to 3 digits."""
    names = [(symbol, z) for z, symbol in enumerate(SYMBOLS) if z] + [("D", 1), ("T", 1)]
    cased = {"".join(c): z for symbol, z in names for c in product(*((a.upper(), a.lower()) for a in symbol))}
    numbers = {str(z).zfill(width): z for z in range(1, len(SYMBOLS)) for width in (1, 2, 3)}
    return {text.encode(): z for text, z in {**cased, **numbers}.items()}


#: Atomic number of every accepted spelling, as bytes: ``b"Cl"``, ``b"cl"`` and ``b"17"`` are all 17.
ATOMIC_NUMBER: dict[bytes, int] = _spellings()
