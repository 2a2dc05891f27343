"""Tables of the command line: text files as people have them, and their headers."""

import gzip
from argparse import Namespace

import numpy as np
import pytest

from fastmlp._cli import table
from fastmlp._cli.fit import main

pd = pytest.importorskip("pandas")
UsageError = table.UsageError


def read(path, **options):
    """The table of a file."""
    defaults = {
        "sep": None,
        "encoding": "utf-8-sig",
        "decimal": ".",
        "no_header": False,
    }
    return table.read_table(str(path), Namespace(**{**defaults, **options}))


def file(tmp_path, text, name="t.csv", encoding="utf-8"):
    """A file with some text."""
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


def cells(table):
    """The cells of a table by name of column."""
    return {name: table.frame[name].tolist() for name in table.frame}


@pytest.mark.parametrize(
    "text",
    [
        "a,y,b\n1,2,3,\n4,5,6,\n",  # a row is longer than the header
        "a,y,b,\n1,2,3,\n4,5,6,\n",  # the header too ends in a comma
        "a,y,b\n1,2,3,,\n4,5,6,,\n",
        "a,y,b,,\n1,2,3,,\n4,5,6\n",
        "\n a , y,b\n1, 2,3\n4 ,5,\t6\n\n",  # blanks, and blank lines
        '\ufeff"a","y","b"\n"1", "2","3"\n4,5,6',  # BOM, and quotes behind a blank
    ],
)
def test_cells_stand_under_their_names(tmp_path, text):
    table = read(file(tmp_path, text))
    assert cells(table) == {"a": ["1", "4"], "y": ["2", "5"], "b": ["3", "6"]}
    assert table.notes == []


def test_cells_are_kept_as_they_are_written(tmp_path):
    table = read(file(tmp_path, "a,b,c\n01234,NA,1.0\n,?,1e5\n"))
    assert cells(table) == {"a": ["01234", ""], "b": ["NA", "?"], "c": ["1.0", "1e5"]}


def test_more_cells_than_names_are_refused(tmp_path):
    path = file(tmp_path, "a,b\nr1,1,\nr2,1,2\n")  # row names, as R writes them
    with pytest.raises(UsageError, match="2 cells, but row 2 has 3, .*is '2'"):
        read(path)
    with pytest.raises(UsageError, match='1 cells, but row 1 has 2, .*--sep ";"'):
        read(file(tmp_path, "a;b\n0,5;1\n"))
    with pytest.raises(UsageError, match="cannot be read: .*Expected 2 fields"):
        read(file(tmp_path, "a,b\n1,2\n1,2,3\n"))


@pytest.mark.parametrize("first", [0, 1])
def test_an_unnamed_index_is_left_out_and_told(tmp_path, first):
    frame = pd.DataFrame({"a": [5, 6, 7]}, index=range(first, first + 3))
    path = tmp_path / "t.csv"
    frame.to_csv(path)
    table = read(path)
    assert list(table.frame) == ["a"]
    assert table.notes == ["left out: the first column, without a name (row numbers)"]
    frame.index = [3, 9, 4]  # which may mean something
    frame.to_csv(path)
    assert list(read(path).frame) == ["Unnamed: 0", "a"]


@pytest.mark.parametrize(
    ("name", "sep", "option"),
    [
        ("t.tsv", "\t", None),
        ("t.tsv.gz", "\t", None),
        ("t.csv", ";", ";"),
        ("t.data", "|", "|"),
        ("t.data.gz", "\t", "\t"),
    ],
)
def test_separators(tmp_path, name, sep, option):
    text = f"a{sep}b\n1,5{sep}2\n"
    path = file(tmp_path, text, name)
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    assert cells(read(path, sep=option)) == {"a": ["1,5"], "b": ["2"]}


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "cp1252"])
def test_encodings(tmp_path, encoding):
    path = file(tmp_path, "größe,b\nä,1\n", encoding=encoding)
    assert cells(read(path, encoding=encoding)) == {"größe": ["ä"], "b": ["1"]}
    with pytest.raises(UsageError, match="not written in utf-8.*give its --encoding"):
        read(path)


def test_a_wrong_byte_far_down_is_told_too(tmp_path):
    path = file(tmp_path, "a\n" + "1\n" * 200_000 + "ä\n", encoding="latin-1")
    with pytest.raises(UsageError, match="give its --encoding"):
        read(path)


def test_no_header(tmp_path):
    path = file(tmp_path, "1, x\n2,y,\n")
    table = read(path, no_header=True)
    assert cells(table) == {"0": ["1", "2"], "1": ["x", "y"]}
    assert not table.has_doubtful_header


@pytest.mark.parametrize(
    ("header", "is_doubtful", "is_noted"),
    [
        ("a,b,c", False, False),
        ("0,1,2", False, False),  # as of an array
        ("1,2,3", False, False),
        ("country,2019,2020", True, False),
        ("2019,2020,2021", True, True),
        ("5.1,3.5,setosa", True, True),
        ("39, Private,13", True, False),
    ],
)
def test_a_header_that_looks_like_cells(tmp_path, header, is_doubtful, is_noted):
    found = read(file(tmp_path, f"{header}\n1,2,3\n"))
    assert found.has_doubtful_header == is_doubtful
    assert bool(table.header_hint(found)) == is_doubtful
    assert bool(table.header_note(found)) == is_noted


@pytest.mark.parametrize(
    ("text", "target", "message"),
    [
        ("39, Private,<=50K\n" * 2, "income", "there is no column 'income'"),
        ("39,0,0\n" * 2, "income", "the column name '0' occurs twice"),
    ],
)
def test_a_file_without_a_header_is_told(tmp_path, capsys, text, target, message):
    path = str(file(tmp_path, text))
    assert main(["--data", path, "--target", target]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert "if the file has no header, give --no-header" in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--sep", ";;"], '--sep: must be one character, such as ";", or "tab"'),
        (["--encoding", "latin-99"], "--encoding: must name an encoding"),
        (["--decimal", ";"], "--decimal: invalid choice"),
        (["--drop", "z"], "there is no column 'z'; there are x, y"),
        (["--drop", "x,q"], "there is no column 'q'"),
        (["--drop", "y"], "column 'y' is both --target and --drop"),
        (["--drop", "x"], "no other columns than the targets"),
    ],
)
def test_errors_about_options(tmp_path, capsys, options, message):
    path = str(file(tmp_path, "x,y\n" + "1,2\n2,1\n" * 10))
    assert main(["--data", path, "--target", "y", *options]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert main(["--drop", "x"]) == 2
    assert "--drop COLUMNS needs --data FILE" in capsys.readouterr().err


def test_european_tables(tmp_path, capsys):
    rng = np.random.RandomState(0)
    x = rng.normal(size=60)
    rows = [f"{v:.3f};{2 * v:.3f};z{i}".replace(".", ",") for i, v in enumerate(x)]
    path = str(file(tmp_path, "x;y;Größe, cm\n" + "\n".join(rows), encoding="latin-1"))
    call = ["--data", path, "--target", "y", "--sep", ";", "--encoding", "latin-1"]
    quick = ["--model", "mlp", "--max-iter", "2", "--no-compare"]
    saved, out = str(tmp_path / "m"), str(tmp_path / "p.csv")
    drop = ["--drop", "Größe, cm", "--save", saved]
    assert main([*call, "--decimal", ",", *drop, *quick]) == 0
    told = capsys.readouterr().out
    assert "1 numbers, 0 categories, 0 cells missing, left out: Größe, cm\n" in told
    assert "task: regression\n" in told
    call = ["predict", saved, path, "--out", out, "--sep", ";", "--decimal", ","]
    assert main([*call, "--encoding", "latin-1"]) == 0
    assert len(pd.read_csv(out)) == 60
