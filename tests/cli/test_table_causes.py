"""Tables as spreadsheets and other programs write them: read, or refused with the true cause."""

import io
import unicodedata
from types import SimpleNamespace

import numpy as np
import pytest

from kinetic_nde.cli import records
from kinetic_nde.cli.table import TableError, read_column

COMMA = "a decimal comma needs"


def write(tmp_path, text):
    path = tmp_path / "table.csv"
    path.write_text(text, "utf-8")
    return path


def read(tmp_path, text, name="x", drop_missing=False):
    return read_column(write(tmp_path, text), name, drop_missing)


def refusal(tmp_path, text, name="x"):
    with pytest.raises(TableError) as caught:
        read(tmp_path, text, name)
    return str(caught.value)


# Thousands


@pytest.mark.parametrize(
    "text, answers",
    [
        ("name\tx\na\t640\nb\t3,080\n", "3.08 or 3080"),
        ("name\tx\na\t3.080\nb\t-2.150\n", "3.08 or 3080"),
        ("name;x\na;640\nb;3.080\n", "3.08 or 3080"),
        ("name;x\na;3,080\nb;12,500\n", "3.08 or 3080"),
        ("x\n640\n3.080\n", "3.08 or 3080"),
        ("x;z\n3,080;0.25\n640;7\n", "3.08 or 3080"),  # the other mark says nothing of this one
    ],
)
def test_a_mark_that_may_be_for_thousands_is_refused(tmp_path, text, answers):
    message = refusal(tmp_path, text)
    assert answers in message and "row " in message and "mark for thousands" in message


@pytest.mark.parametrize(
    "text, values",
    [
        ("name\tx\na\t640\nb\t3,080\nc\t2,5\n", [640, 3.08, 2.5]),  # another number of digits is decimals
        ("name;x\na;0.512\nb;3.080\n", [0.512, 3.08]),  # no thousands begin with 0
        ("name;x\na;1234.125\nb;3.080\n", [1234.125, 3.08]),  # nor have four digits before their mark
        ("name;x\na;3.080e2\nb;2.500\n", [308, 2.5]),
        ("name,x\na,640\nb,3.080\n", [640, 3.08]),  # where commas divide, a point is decimal
        ("x\tz\n3.080\t0.25\n640\t1\n", [3.08, 640]),  # another column shows what the mark is for
        ("x;z\n3,080;text\n640;12,5\n", [3.08, 640]),
        ("x\n1.021\n1.330\n", [1.021, 1.33]),  # and where there is nothing but numbers with one
    ],
)
def test_a_decimal_mark_is_told_from_thousands(tmp_path, text, values):
    np.testing.assert_array_equal(read(tmp_path, text).values, values)


@pytest.mark.parametrize(
    "field", ['"7,650"', '"7,650,000"', '"7,650.25"', "7 650", "7'650", "7\u2019650", "7\u00a0650", "7\u202f650"]
)
def test_marks_for_thousands_are_named(tmp_path, field):
    message = refusal(tmp_path, f"name,x\na,12\nb,{field}\n")
    assert "row 2 (line 3 of the file), not a number (leave out the marks for thousands" in message
    assert (COMMA in message) == (field == '"7,650"')  # which may be both


def test_text_is_no_number_for_another_reason(tmp_path):
    assert refusal(tmp_path, "name,x\na,deep\n").endswith("not a number")
    assert "thousands" not in refusal(tmp_path, 'name,x\na,"4,51"\n')


# Lines and separators that are no rows


@pytest.mark.parametrize("line", ["sep=;", "SEP=;", '"sep=;"'])
def test_the_separator_line_of_excel(tmp_path, line):
    column = read(tmp_path, f"{line}\nname, unit;x\na;7,25\nb;3,5\n")
    np.testing.assert_array_equal(column.values, [7.25, 3.5])
    np.testing.assert_array_equal(column.rows, [1, 2])


def test_a_separator_that_is_none(tmp_path):
    assert "names '|' as its separator" in refusal(tmp_path, "sep=|\nname|x\n")


def test_comments_above_the_header(tmp_path):
    text = '# made by "hand", in May\n\n#unit; mm\nname;x\na;7,25\nb;none\n'
    assert read(tmp_path, text, drop_missing=True).values == [7.25]
    assert "row 2 (line 6 of the file)" in refusal(tmp_path, text)


def test_a_header_that_looks_like_a_comment(tmp_path):
    assert read(tmp_path, "# in mm\n#name,x\na,7.25\n").values == [7.25]


@pytest.mark.parametrize(
    "text, cause",
    [
        ("name,x\na,4.5,\nb,7,\n", "ends with a separator that the header does not"),
        ("name;x\na;4,5;;\nb;7;;\n", "ends with a separator that the header does not"),
        ("name,x\na,4.5\n# and so on\nb,7\n", "comment lines may stand above the header only"),
        ("name,x,y\na,4,5\nb,7\nc,6,1\n", "1 of 3 rows have another number"),
        ("name,x,y\na,4\nb,7\n", "no row has as many"),
        ("Lengths of May\nname;x\na;4,5\n", "must name the columns: delete what stands above"),
        ("name,x\na,4,5\nb,7,25\n", COMMA),
    ],
)
def test_ragged_rows_have_one_cause(tmp_path, text, cause):
    message = refusal(tmp_path, text)
    assert cause in message and (COMMA in message) == (cause == COMMA)


def test_columns_that_nothing_divides(tmp_path):
    assert "columns are divided by , ; or tabs" in refusal(tmp_path, "name x\na 4.5\n")
    assert "divided" not in refusal(tmp_path, "name,y\na,4.5\n")


# Missing values and names


@pytest.mark.parametrize(
    "mark",
    [
        "<NA>",
        "<na>",
        "#NA",
        "#N/A N/A",
        "-nan",
        "1.#QNAN",
        "-1.#IND",
        "-",
        "--",
        "\u2013",
        "?",
        "n.a.",
        "N.A.",
        "NaT",
        "NULL",
        "#VALUE!",
        "#DIV/0!",
        "#REF!",
        "#NAME?",
        "#NV",
        "#WERT!",
    ],
)
def test_marks_of_missing_values(tmp_path, mark):
    text = f"name,x\na,4.5\nb,{mark}\nc,7\n"
    assert f"is '{mark}' in row 2" in refusal(tmp_path, text)
    column = read(tmp_path, text, drop_missing=True)
    assert column.dropped == 1 and column.rows.tolist() == [1, 3]


@pytest.mark.parametrize("mark", ["#1", "-5-", "none left", "?1", "...", "nil"])
def test_what_looks_like_them_is_not_dropped(tmp_path, mark):
    with pytest.raises(TableError, match="not a number"):
        read(tmp_path, f"name,x\na,4.5\nb,{mark}\n", drop_missing=True)


@pytest.mark.parametrize("stored", ["NFC", "NFD"])
@pytest.mark.parametrize("asked", ["NFC", "NFD"])
def test_accents_may_be_encoded_either_way(tmp_path, stored, asked):
    text = unicodedata.normalize(stored, "name,Größe é\na,4.5\n")
    assert read(tmp_path, text, unicodedata.normalize(asked, "Größe é")).values == [4.5]


def test_names_that_look_the_same_are_two(tmp_path):
    text = ",".join(unicodedata.normalize(form, "é") for form in ("NFC", "NFD")) + "\n1,2\n"
    assert "has 2 columns named" in refusal(tmp_path, text, "é")


# Standard input


def test_standard_input(monkeypatch):
    def given(content):
        monkeypatch.setattr(records.sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))

    given(b"\xef\xbb\xbfname;x\na;4,5\nb;7\n")
    assert read_column("-", "x").values.tolist() == [4.5, 7.0]
    given(b"")
    with pytest.raises(TableError, match="^standard input: is empty"):
        read_column("-", "x")
