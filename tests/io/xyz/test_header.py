"""Headers of extended XYZ in every spelling: read as they are meant, or refused with the line."""

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.stress import voigt_6_to_full_3x3_stress

from fa_pyg.datasets import read_xyz

HEAD = "Properties=species:S:1:pos:R:3"
CELL = "3 0 0 0 4 0 1 0 5"
LATTICE = f'Lattice="{CELL}"'
ATOMS = "O 0 0 0\nH 0 0 1\n"


@pytest.fixture
def read(tmp_path):
    def read(comment, atoms=ATOMS, **options):
        path = tmp_path / "a.xyz"
        path.write_text(f"{len(atoms.splitlines())}\n{comment}\n{atoms}", encoding="utf-8")
        return read_xyz(path, **options)[0]

    return read


@pytest.fixture
def refused(read):
    def refused(comment, expected, line=2, **options):
        with pytest.raises(ValueError, match=rf"a\.xyz, line {line}: expected .*, found .*") as raised:
            read(comment, **options)
        assert expected in str(raised.value).split(": expected ")[1].rpartition(", found ")[0]

    return refused


@pytest.mark.parametrize(
    "header",
    [
        f'Lattice="{CELL}" Properties=species:S:1:pos:R:3:forces:R:3 pbc="T F T" energy=-2',
        f'lattice="{CELL}" properties=species:S:1:pos:R:3:forces:R:3 pbc="T F T" energy=-2',
        f'LATTICE="{CELL}" PROPERTIES="species:S:1:pos:R:3:forces:R:3" PBC="T F T" energy=-2',
        f'Lattice = "{CELL}" Properties = species:S:1:pos:R:3:forces:R:3 pbc = "T F T" energy = -2',
        f"Lattice='{CELL}'\tproperties=Species:s:1:Pos:r:3:forces:r:3\tpbc='T F T'\tenergy=-2.0",
        f"energy=-2 pbc={{T F T}} lattice={{{CELL}}} properties=species:S:1:pos:R:3:forces:R:3",
        f"energy=-2D0 Lattice=[{CELL.replace(' ', ', ')}] pbc=TFT Properties=species:S:1:pos:R:3:forces:R:3",
        f"Lattice={CELL} pbc=T F T Properties=species:S:1:pos:R:3:forces:R:3 energy=-2",
        f'"Lattice"="{CELL}", "pbc"="T F T", Properties=species:S:1:pos:R:3:forces:R:3, energy=-20*^-1',
        f'energy=-2;lattice="{CELL}";pbc="T F T";properties=species:S:1:pos:R:3:forces:R:3',
        f'crystal Lattice="{CELL}" of water Properties=species:S:1:pos:R:3:forces:R:3 pbc="T F T" energy=-2',
    ],
)
def test_every_spelling_of_a_header(read, header):
    data = read(header, "O 0 0 0 1 2 3\nH 0 0 1 4 5 6\n")
    assert data.cell.tolist() == [[[3, 0, 0], [0, 4, 0], [1, 0, 5]]]
    assert data.pbc.tolist() == [[True, False, True]]
    assert data.forces.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert data.energy.tolist() == [-2]
    assert data.energy.dtype == torch.float32


FLAGS = (
    """ "T T F"|"t t f"|"TTF"|"ttf"|TTF|"T, T, F"|T,T,F|[T, T, F]|[T T F]|{T T F}|T T F|'T T F'|"1 1 0"|110"""
    """|"True True False"|"true true false"|"TRUE TRUE FALSE"|".TRUE. .TRUE. .FALSE."|"T\tt  F" """
    """|"(True, True, False)"|"[True True False]"|"_JSON [true, true, false]" """
)


@pytest.mark.parametrize("flags", [flags.strip() for flags in FLAGS.split("|")])
def test_every_spelling_of_pbc(read, flags):
    for comment in (f"{LATTICE} pbc={flags} {HEAD}", f"{HEAD} {LATTICE} PBC = {flags}"):
        assert read(comment).pbc.tolist() == [[True, True, False]]


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        (f"{LATTICE} pbc=F", [False] * 3),
        (f'{LATTICE} pbc="F f F"', [False] * 3),
        (f"{LATTICE} pbc=T", [True] * 3),
        (f"{LATTICE} pbc=F T=300", [False] * 3),
        (LATTICE, [True] * 3),
        (HEAD, [False] * 3),
        ("pbc=F F F energy=-1", [False] * 3),
    ],
)
def test_periodicity_that_is_said_otherwise(read, comment, expected):
    assert read(comment).pbc.tolist() == [expected]


PBC = 'pbc="T T F", three of T and F'
CELLS = "Lattice with independent vectors"


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        (f"{LATTICE} pbc={flags}", PBC)
        for flags in ('"T T"', '"T T F T"', "T T F T", "TT", "2", "x", '""', '"T T x"')
    ]
    + [
        (f"{LATTICE} pbc= {HEAD}", "a value after pbc="),
        (f'{LATTICE} pbc "T T F"', "'=' after pbc"),
        (f"{LATTICE} pbc F F F", "'=' after pbc"),
        (f"{LATTICE} pbc: F F F", "'=' after pbc"),
        (f'{LATTICE} pbc="T T F" PBC="T T T"', "one value of pbc"),
        (f'{LATTICE} lattice="{CELL} "', "one value of Lattice"),
        (f'Lattice "{CELL}"', "'=' after Lattice"),
        (f"lattice: [{CELL}] energy=-1", "'=' after Lattice"),
        (f"{LATTICE} Properties:species:S:1:pos:R:3", "'=' after Properties"),
        ("Lattice=5.43", "nine finite numbers"),
        ('Lattice="1 0 0 0 1 0 0 0"', "nine finite numbers"),
        ('Lattice="1 0 0 0 nan 0 0 0 1"', "nine finite numbers"),
        ('Lattice="1 0 0 0 inf 0 0 0 1"', "nine finite numbers"),
        ('Lattice="1 0 0 0 1e39 0 0 0 1"', "numbers of at most 3.4"),
        ('Lattice="0 0 0 0 0 0 0 0 0"', CELLS),
        ('Lattice="1 0 0 2 0 0 0 0 1"', CELLS),
        ('pbc="T T T"', CELLS),
        ("Properties=species:S:1:pos:R", "Properties=name:type:width"),
        ("Properties=species:S:1:pos:R:3energy=-1", "a width in place of"),
        (f"{HEAD}:pos:R:3", "different names"),
        (f"{HEAD} mu=1 2 3", "quotes around the numbers of mu"),
        (f'{HEAD} a="x', "the value of a to end with its quote"),
        (f"{HEAD} a=[1 2", "the value of a to end with its bracket"),
        (f"{HEAD} a={{1 2", "the value of a to end with its bracket"),
        (f"{HEAD} a=[x y]z", "the value of a to end with its bracket"),
        (f'{HEAD} a="x"b', "the value of a to end with its quote"),
        (f"{HEAD} a= energy=-1", "a value after a="),
        (f'"Lattice={CELL}" {HEAD}', "quotes around values only"),
        (f"'{LATTICE} {HEAD}'", "quotes around values only"),
        (f"{HEAD} =3", "a key before '='"),
        (f'{HEAD} ""=3', "a key before '='"),
        (f"{HEAD} a=1 a=2", "one value of a"),
        (f"{HEAD} {'k' * 201}=1", "keys of at most 200 characters"),
        (f"{HEAD} " + " ".join(f"k{i}=1" for i in range(1001)), "at most 1000 entries"),
        (HEAD + "".join(f":k{i}:R:1" for i in range(1000)), "at most 1000 different names"),
    ],
)
def test_what_is_refused(refused, comment, expected):
    refused(comment, expected)


def test_words_around_the_entries(read):
    """A name is a flag; what is none is left to the comment."""
    data = read(f"SAC Pt@C (1.1, h=3.0 Å) 5 -, {'x' * 300} energy energy=-1 {HEAD} 'a title' wide pbc")
    own = {"z", "pos", "num_nodes", "cell", "pbc", "comment", "source"}
    assert set(data.keys()) - own == {"SAC", "h", "energy", "wide"}
    assert (data.SAC.tolist(), data.h.tolist(), data.energy.tolist()) == ([True], [3.0], [-1.0])


@pytest.mark.parametrize(
    "text", ["the lattice of silicon", "pbc were used", "properties: see below", "alattice=3"]
)
def test_a_comment_that_speaks_of_a_lattice_is_a_comment(read, text):
    data = read(text)
    assert data.comment == text
    assert "cell" not in data


# -- values


SMILES = ["C[N+](C)=O", "[NH4+]", "[O-][N+](=O)C", "C/C=C\\C", "CC(=O)C", "c1ccccc1", "[Na+].[Cl-]", "C#N"]


@pytest.mark.parametrize("smiles", SMILES)
def test_smiles_keep_their_brackets(read, smiles):
    assert read(f"{HEAD} smiles={smiles} step=3").smiles == smiles
    assert read(f'{HEAD} step=3 smiles="{smiles}"').smiles == smiles


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("5'-AMP", "5'-AMP"),
        ('x"y"z', 'x"y"z'),
        ('"a \\"quoted\\" word"', 'a "quoted" word'),
        ('"a \\\\ b"', "a \\ b"),
        ("C:\\new", "C:\\new"),
        ("{a {b} c}", "a {b} c"),
        ("[a, b c]", "[a, b c]"),
        ("[[1, 2], [3]]", "[[1, 2], [3]]"),
        ("InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3", "InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3"),
        ("12345678901234567890", "12345678901234567890"),  # float64 would keep 16 of the digits
        ("1_0", "1_0"),
        ("nan", "nan"),
        ('"1 inf"', "1 inf"),
        ("", ""),
        ('""', ""),
        ('"_JSON {\\"a\\": [1]}"', '_JSON {"a": [1]}'),
        ("größe", "größe"),
    ],
)
def test_words(read, value, expected):
    assert read(f"{HEAD} key={value}").key == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("7", [7]),
        ("-9223372036854775808", [-(2**63)]),
        ("1.5", [1.5]),
        ("1.5D-1", [0.15]),
        ("15*^-2", [0.15]),
        ("-1.0,", [-1.0]),
        ("T", [True]),
        ("false", [False]),
        ('"1 2 3"', [[1, 2, 3]]),
        ("1,2,3", [[1, 2, 3]]),
        ("[1, 2.5]", [[1, 2.5]]),
        ("[4]", [[4]]),
        ("{1 2}", [[1, 2]]),
        ('"T F"', [[True, False]]),
        ("[[1, 2], [3, 4]]", [[[1, 2], [3, 4]]]),
        ('"_JSON [[1, 2], [3, 4]]"', [[[1, 2], [3, 4]]]),
        ('"1 2 3 4 5 6 7 8 9"', [[1, 2, 3, 4, 5, 6, 7, 8, 9]]),
    ],
)
def test_numbers_and_flags(read, value, expected):
    found = read(f"{HEAD} key={value} other=1", dtype=torch.float64).key
    assert found.tolist() == expected
    kind = torch.tensor(expected).dtype
    assert found.dtype == (torch.float64 if kind == torch.float32 else kind)


VOIGT = [1.0, 2.0, 3.0, 0.4, 0.5, 0.6]


@pytest.mark.parametrize("name", ["stress", "virial"])
def test_six_and_nine_numbers_of_stress_and_virial(read, name):
    expected = voigt_6_to_full_3x3_stress(VOIGT).tolist()
    six, nine = " ".join(map(str, VOIGT)), " ".join(str(x) for row in expected for x in row)
    for numbers in (f'"{six}"', f'"{nine}"', f"[{six.replace(' ', ', ')}]", f"{{{nine}}}", str(expected)):
        assert read(f"{HEAD} {name}={numbers}", dtype=torch.float64)[name].tolist() == [expected]
    assert read(f'{HEAD} {name}="1 2 3 4 5 6"')[name].dtype == torch.float32


@pytest.mark.parametrize("name", ["energy", "free_energy", "stress", "virial", "dipole", "magmom"])
def test_labels_are_finite(refused, read, name):
    for value in ("nan", "inf", "-Infinity", '"1 NaN 3"', "[1, inf, 2]"):
        refused(f"{HEAD} {name}={value}", f"a finite number for {name}")
    assert read(f"{HEAD} {name}=None")[name] == "None"


def test_values_that_float32_cannot_hold(read, refused):
    refused(f"{HEAD} a=1e39", "numbers of at most 3.4e+38 for a")
    refused(
        f"{HEAD}:q:R:1",
        "a finite number (at most 3.4e+38 in size) for q",
        4,
        atoms="O 0 0 0 1\nH 0 0 0 1e39\n",
    )
    assert read(f"{HEAD} a=1e39", dtype=torch.float64).a.tolist() == [1e39]
    assert read(f"{HEAD} a=1e39", targets=["a"]).a.tolist() == [1e39]
    assert read(f"{HEAD} a=1e-60").a.tolist() == [0]
    refused(f"{HEAD} a=1e39", "numbers of at most 3.4e+38 for a", targets={"b": "b"})
    refused(f"{HEAD} a=1e999", "for a", dtype=torch.float64)


# -- columns


@pytest.mark.parametrize(
    ("name", "attribute"),
    [
        ("energy", "energies"),
        ("free_energy", "free_energies"),
        ("stress", "stresses"),
        ("dipole", "dipoles"),
        ("magmom", "magmoms"),
        ("charge", "charge"),
        ("charges", "charges"),
        ("x", "x"),
    ],
)
def test_columns_belong_to_atoms(read, name, attribute):
    for atoms in (ATOMS, "O 0 0 0\n"):
        rows = [f"{row} {i}.5\n" for i, row in enumerate(atoms.splitlines())]
        data = read(f"{HEAD}:{name}:R:1", "".join(rows))
        assert data[attribute].tolist() == [0.5, 1.5][: len(rows)]
        both = read(f"{HEAD}:{name}:R:1 {name}=7", "".join(rows))
        sevens = [key for key, value in both if isinstance(value, torch.Tensor) and value.tolist() == [7]]
        assert sevens == ["x_" if name == "x" else name]
        assert [k for k, v in both if isinstance(v, torch.Tensor) and v.tolist() == [0.5, 1.5][: len(rows)]]
        assert (
            read(f"{HEAD}:{name}:R:1", "".join(rows), targets={"q": name}).q.tolist()
            == [0.5, 1.5][: len(rows)]
        )


def test_one_grammar_for_the_atoms_of_both(read):
    rows = "D 1.0D-5 1*^-6 +2.\nt .5 -1E0 1d0\n6 0 0 0\ncl 1 1 1\n017 2 2 2\n"
    for comment in ("plain", HEAD, LATTICE):
        data = read(comment, rows, dtype=torch.float64)
        assert data.z.tolist() == [1, 1, 6, 17, 17]
        assert data.pos[:2].tolist() == [[1e-5, 1e-6, 2.0], [0.5, -1.0, 1.0]]
    with pytest.raises(ValueError, match="line 3"):
        read(HEAD, "C1 0 0 0\n")


def test_kinds_of_columns(read):
    head = "Properties=s:S:1:pos:R:3:t:S:2:q:I:1:l:L:2:m:R:2:Z:I:1:species:S:1"
    data = read(head, "a 0 0 0 b c 1 T f 1D0 2 8 O\nd 0 0 1 e f -2 true 0 3 4 1 D\n")
    assert (data.z.tolist(), data.s, data.t) == ([8, 1], ["a", "d"], [["b", "c"], ["e", "f"]])
    assert (data.q.tolist(), data.l.tolist()) == ([1, -2], [[True, False], [True, False]])
    assert data.m.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("columns", "row", "expected"),
    [
        ("q:I:1", "1.0", "an integer for q in place of '1.0'"),
        ("q:I:1", "9223372036854775808", "an integer for q"),
        ("q:R:1", "nan", "a finite number"),
        ("forces:R:3", "0 inf 0", "a finite number"),
        ("q:L:1", "yes", "T or F for q in place of 'yes'"),
        ("Z:I:1", "2", "the same element in species and Z"),
        ("Z:I:1", "119", "a known element for Z in place of '119'"),
        ("q:R:2", "1", "an atom line of 6 columns"),
        ("q:R:1", "1\u00a0", "a finite number"),
    ],
)
def test_the_first_bad_row_is_named(refused, columns, row, expected):
    good = {"q:R:2": "1 2", "forces:R:3": "1 2 3", "q:L:1": "T"}.get(columns, "1")
    atoms = "".join(f"H 0 0 {i} {row if i in (4, 7, 9) else good}\n" for i in range(12))
    refused(f"{HEAD}:{columns}", expected, 7, atoms=atoms)


# -- an independent reader


def random_atoms(rng):
    number = int(rng.integers(1, 5))
    atoms = Atoms(rng.integers(1, 119, number), rng.normal(size=(number, 3)))
    if rng.random() < 0.7:
        atoms.cell, atoms.pbc = rng.normal(size=(3, 3)), rng.random(3) < 0.5
    for i in range(rng.integers(4)):
        shape = (number,) if rng.random() < 0.5 else (number, int(rng.integers(2, 4)))
        atoms.new_array(f"c{i}", rng.normal(size=shape) if rng.random() < 0.5 else rng.integers(-9, 9, shape))
    for i in range(rng.integers(5)):
        made = (
            7,
            -1.5e-8,
            True,
            rng.normal(size=4),
            rng.integers(9, size=2),
            rng.normal(size=(2, 3)),
            "a word",
        )
        atoms.info[f"k{i}"] = made[rng.integers(len(made))]
    return atoms


def test_what_ase_writes_is_read_as_ase_reads_it(tmp_path):
    rng, path = np.random.default_rng(0), tmp_path / "a.xyz"
    ase.io.write(path, [random_atoms(rng) for _ in range(200)], format="extxyz")
    for data, atoms in zip(read_xyz(path, dtype=torch.float64), ase.io.read(path, ":"), strict=True):
        expected = {
            "z": atoms.numbers,
            "pos": atoms.positions,
            "cell": [atoms.cell.array],
            "pbc": [atoms.pbc],
        }
        expected |= {name: atoms.arrays[name] for name in atoms.arrays if name.startswith("c")}
        expected |= {key: value if isinstance(value, str) else [value] for key, value in atoms.info.items()}
        for name, value in expected.items():
            found = data[name] if isinstance(value, str) else data[name].numpy()
            assert np.array_equal(found, value), name
        assert set(data.keys()) == {*expected, "num_nodes", "comment", "source"}
