"""Reading columns: what is understood, and every bad input with its one line."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from kinetic_nde.cli.table import TableError, read_column, read_columns

DATA = Path(__file__).parents[2] / "experiments" / "data"


@pytest.fixture
def table(tmp_path):
    """Writes a text or bytes to a file and returns its path."""

    def write(content: str | bytes) -> Path:
        path = tmp_path / "table.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def fails(path, *names: str, drop_missing: bool = False) -> str:
    """The message of the error, checked to be one line that names the file."""
    with pytest.raises(TableError) as caught:
        read_columns(path, names or ("x",), drop_missing)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 500
    assert message.startswith(" ".join(str(path).split()))
    return message


@pytest.mark.parametrize(
    "name, column, size, total",
    [
        ("quakes.csv", "depth_km", 1000, 311371.0),
        ("cars93.csv", "length_m", 93, 432.767),
        ("forbes.csv", "pressure_inHg", 17, 426.0),
        ("rivers.csv", "length_miles", 141, 83357.0),
    ],
)
def test_the_tables_of_the_project(name, column, size, total):
    found = read_column(DATA / name, column)
    assert found.name == column and found.values.dtype == np.float64 and found.dropped == 0
    assert found.values.shape == (size,) and np.sum(found.values) == pytest.approx(total, rel=1e-12)
    np.testing.assert_array_equal(found.rows, np.arange(1, size + 1))


@pytest.mark.parametrize(
    "content",
    [
        "name,x,y\na,1.5,7\nb,-2,8\n",
        "name;x;y\na;1.5;7\nb;-2;8\n",
        "name;x;y\na;1,5;7\nb;-2;8\n",
        "name\tx\ty\na\t1.5\t7\nb\t-2\t8\n",
        "name\tx\ty\na\t1,5\t7,0\nb\t-2\t8,0\n",
        "name,x,y\r\na,1.5,7\r\nb,-2,8\r\n",
        "name,x,y\ra,1.5,7\rb,-2,8\r",
        "name,x,y\na,1.5,7\nb,-2,8",
        "name,x,y\na,1.5,7\nb,-2,8\n\n\n  \n\r\n",
        "\n\nname,x,y\n\na,1.5,7\n\nb,-2,8\n",
        '"name","x","y"\n"a, or; so",1.5,7\n"b ""c""\nd","-2",8\n',
        "name , x,  y\na,  1.5 , 7\nb, -2 , 8\n",
        '"the, name";x;y\n"a,b,c,d";1,5;7\nb;-2;8\n',
        "the, name;x;y\na,b;+1,5;7\nb;-2,0e0;8\n",
        "name,x,y\na,15e-1,7\nb,-.2E+1,8\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_delimiters_marks_quotes_and_line_ends(table, content, encoding):
    column = read_column(table(content.encode(encoding)), "x")
    np.testing.assert_array_equal(column.values, [1.5, -2.0])
    np.testing.assert_array_equal(column.rows, [1, 2])


def test_names_outside_ascii(table):
    path = table("Länge (m);Größe\n4,5;1\n".encode("utf-8-sig"))
    assert read_column(path, "Länge (m)").values == [4.5]


def test_one_column_with_any_line_ends(table):
    np.testing.assert_array_equal(read_column(table("x\n3\n1\n2\n\n"), "x").values, [3.0, 1.0, 2.0])


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20),
    st.sampled_from([",", ";", "\t"]),
    st.booleans(),
)
def test_numbers_come_back_as_they_were_written(tmp_path_factory, values, delimiter, with_comma):
    path = tmp_path_factory.getbasetemp() / "written.csv"
    texts = [repr(value) for value in values]
    if with_comma and delimiter != ",":
        texts = [text.replace(".", ",") for text in texts]
    lines = ["label", *(f"row {i}" for i in range(len(texts)))]
    path.write_text("".join(f"{a}{delimiter}{b}\n" for a, b in zip(lines, ["x", *texts], strict=True)))
    np.testing.assert_array_equal(read_column(path, "x").values, values)


@pytest.mark.parametrize("blank", ["", "  ", "NA", "nan", "NaN", "n/a", "null", "None", '""'])
def test_missing_values_are_an_error_or_dropped(table, blank):
    path = table(f"x,y\n1,a\n{blank},b\n3,c\n")
    message = fails(path)
    assert "row 2 (line 3 of the file)" in message and "--drop-missing" in message
    column = read_column(path, "x", drop_missing=True)
    np.testing.assert_array_equal(column.values, [1.0, 3.0])
    np.testing.assert_array_equal(column.rows, [1, 3])
    assert column.dropped == 1


def test_a_blank_line_within_one_column_is_missing(table):
    path = table("x\n1\n\n3\n\n")
    assert "is blank in row 2 (line 3 of the file)" in fails(path)
    assert read_column(path, "x", drop_missing=True).dropped == 1


def test_columns_stay_aligned(table):
    path = table("x,y,z\n1,10,\n2,,5\n,30,6\n4,40,\n")
    x, y = read_columns(path, ["x", "y"], drop_missing=True)
    np.testing.assert_array_equal([x.values, y.values], [[1.0, 4.0], [10.0, 40.0]])
    np.testing.assert_array_equal(x.rows, [1, 4])
    assert (x.dropped, y.dropped) == (2, 2)


def test_unknown_column_lists_the_columns(table):
    path = table("depth_km,magnitude\n1,2\n")
    assert "no column 'depth'; its columns are: depth_km, magnitude" in fails(path, "depth")


def test_unknown_column_of_a_wide_table(table):
    path = table(",".join(f"c{i}" for i in range(300)) + "\n" + ",".join(["1"] * 300) + "\n")
    assert "c19 and 280 more" in fails(path)


def test_a_table_without_header(table):
    assert "the first line must name the columns" in fails(table("1.5\n2.5\n"))


def test_a_name_that_stands_twice(table):
    path = table("x,y,x\n1,2,3\n")
    assert "has 2 columns named 'x'" in fails(path)
    assert read_column(path, "y").values == [2.0]


@pytest.mark.parametrize("text", ["deep", "1 000", "1_000", "1.2.3", "12km", "--1", "0x10", "١٢", "1e", "e5", "."])
def test_text_in_the_column(table, text):
    for drop_missing in (False, True):
        message = fails(table(f"x,y\n1,2\n{text},3\n"), drop_missing=drop_missing)
        assert f"{text!r} in row 2 (line 3 of the file), not a number" in message


@pytest.mark.parametrize("text", ["inf", "-Inf", "infinity", "1e999"])
def test_infinities_are_not_dropped(table, text):
    for drop_missing in (False, True):
        assert f"{text!r} in row 1 (line 2 of the file), not a finite number" in fails(
            table(f"x,y\n{text},3\n"), drop_missing=drop_missing
        )


@pytest.mark.parametrize("text", ["1.234,5", "1,234.5", "1,234,567"])
@pytest.mark.parametrize("delimiter", [";", "\t", ","])
def test_marks_for_thousands_are_not_guessed(table, text, delimiter):
    assert f"{text!r} in row 1" in fails(table(f'x{delimiter}y\n"{text}"{delimiter}2\n'))


def test_a_quoted_comma_number_between_commas_is_not_guessed(table):
    assert "a decimal comma needs ; or tabs" in fails(table('x,y\n"1,234",2\n'))


def test_two_decimal_marks_in_one_column(table):
    message = fails(table("x;y\n1,5;2\n3;2\n1.234;2\n"))
    assert "'1.234' in row 3 (line 4 of the file), but another decimal mark in row 1 (line 2 of the file)" in message


def test_each_column_has_its_own_mark(table):
    x, y = read_columns(table("x;y\n1,5;2.5\n"), ["x", "y"])
    assert (x.values[0], y.values[0]) == (1.5, 2.5)


@pytest.mark.parametrize("row, count", [("2", 1), ("2,3,4", 3), ("2,3,", 3)])
def test_rows_of_another_width(table, row, count):
    assert f"row 2 (line 3 of the file) has {count} fields, the header has 2" in fails(table(f"x,y\n1,2\n{row}\n1,2\n"))


def test_one_column_with_decimal_commas(table):
    assert "row 1 (line 2 of the file) has 2 fields, the header has 1 (a decimal comma" in fails(table("x\n4,5\n3,2\n"))


def test_line_numbers_count_the_lines_within_quotes_and_blank_lines(table):
    assert "row 2 (line 5 of the file)" in fails(table('name,x\n"a\nb",1\n\nc,deep\n'))


@pytest.mark.parametrize("content", ["", "\n\n", "  \n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n", '""\n'])
def test_empty_files(table, content):
    assert "is empty" in fails(table(content))


@pytest.mark.parametrize("content", ["x,y\n", "x,y", "x\n\n"])
def test_no_rows(table, content):
    assert "has no rows" in fails(table(content))


def test_nothing_left(table):
    assert "none are left" in fails(table("x,y\n,2\nNA,3\n"), drop_missing=True)


@pytest.mark.parametrize(
    "content",
    [b"\x89PNG\r\n\x1a\n\x00\x00", b"PK\x03\x04\x14\x00\x06\x00x,y\n1,2\n", b"x,y\n1,\xe4\n", b"\xff\xfea", bytes(100)],
)
def test_files_that_are_not_text(table, content):
    assert "is not a text file" in fails(table(content))


def test_a_quote_that_is_not_closed(table):
    assert "is not a table" in fails(table('x,y\n1,"2\n3,4\n'))


def test_a_field_without_end(table):
    assert "is not a table" in fails(table("x,y\n1," + "a" * 200_000))


def test_long_text_is_cut(table):
    assert "..." in fails(table("x,y\n" + "a" * 1000 + ",2\n"))


def test_missing_file(tmp_path):
    assert "there is no such file" in fails(tmp_path / "none.csv")


def test_folder(tmp_path):
    assert "is a folder" in fails(tmp_path)


def test_path_through_a_file(table):
    assert "cannot be read" in fails(table("x\n1\n") / "more.csv")


def test_path_with_a_null_character():
    assert "cannot be read" in fails("a\0b")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="every file can be read by this user")
def test_file_without_permission(table):
    path = table("x\n1\n")
    path.chmod(0)
    assert "cannot be read" in fails(path)


def test_permission_denied_is_reported(table, monkeypatch):
    def denied(self):
        raise PermissionError(13, "Permission denied")

    path = table("x\n1\n")
    monkeypatch.setattr(Path, "read_bytes", denied)
    assert "cannot be read (Permission denied)" in fails(path)


@given(st.binary(max_size=200))
def test_any_bytes_give_numbers_or_a_table_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(b"x,y\n" + content)
    try:
        column = read_column(path, "x", drop_missing=True)
    except TableError as error:
        assert "\n" not in str(error)
    else:
        assert np.all(np.isfinite(column.values)) and column.values.shape == column.rows.shape
