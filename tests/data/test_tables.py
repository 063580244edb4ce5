"""read_csv: what it makes of a table, and how it refuses one."""

import csv
import gzip
import io
import random
import warnings

import pytest
import tensorflow as tf

from keras_nlp_lite.data import read_csv, text_file
from tests.data.reading import pairs, texts


@pytest.fixture
def table(tmp_path):
    """Writes text or bytes to a file, and gives its path."""

    def write(content, name="reviews.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def read(path, **kwargs):
    """A table with its labels, in the order of the file."""
    return read_csv(
        path, **{"text": "text", "label": "label", "shuffle": False, **kwargs}
    )


GOOD = "text,label\nA joy,pos\nNot good,neg\n"


def test_columns_are_found_by_name_or_number(table):
    path = table(GOOD)
    wanted = [("A joy", 1), ("Not good", 0)]
    assert pairs(read(path)) == wanted
    assert pairs(read(path, text=0, label=1)) == wanted
    assert read(path).class_names == ["neg", "pos"]


def test_columns_may_come_in_any_order_among_others(table):
    path = table("id,label,note,text\n7,pos,,A joy\n8,neg,x,No\n")
    assert pairs(read(path)) == [("A joy", 1), ("No", 0)]


def test_without_a_header_the_first_row_is_an_example(table):
    path = table("A joy,pos\nNot good,neg\n")
    dataset = read(path, text=0, label=1, header=False)
    assert pairs(dataset) == [("A joy", 1), ("Not good", 0)]


@pytest.mark.parametrize("name", ["a.tsv", "a.TSV", "a.tsv.gz"])
def test_the_suffix_tsv_means_tabs(table, name):
    content = b"label\ttext\npos\tOh, a joy\nneg\tNo\n"
    path = table(gzip.compress(content) if name.endswith("gz") else content, name)
    assert pairs(read(path)) == [("Oh, a joy", 1), ("No", 0)]


def test_a_compressed_table_reads_as_a_plain_one(table):
    path = table(gzip.compress(GOOD.encode()), "reviews.csv.gz")
    assert pairs(read(path)) == pairs(read(table(GOOD)))


def test_another_delimiter_may_be_given(table):
    path = table("text;label\nOh, a joy;pos\nNo;neg\n")
    assert pairs(read(path, delimiter=";")) == [("Oh, a joy", 1), ("No", 0)]


def test_quotes_may_be_plain_characters(table):
    path = table('text\tlabel\n"Oh, he said\tpos\n2" wide\tneg\n', "a.tsv")
    assert pairs(read(path, quotechar=None)) == [('"Oh, he said', 1), ('2" wide', 0)]


def test_without_a_label_there_are_only_texts(table):
    dataset = read_csv(table(GOOD), text="text")
    assert dataset.element_spec == tf.TensorSpec([None], tf.string)
    assert dataset.class_names is None
    assert texts(dataset) == ["A joy", "Not good"]


def test_labels_that_are_numbers_sort_by_number(table):
    path = table("text,label\na,10\nb,9\nc,1\nd,10\n")
    dataset = read(path)
    assert dataset.class_names == ["1", "9", "10"]
    assert pairs(dataset) == [("a", 2), ("b", 1), ("c", 0), ("d", 2)]


def test_class_names_set_the_order_of_labels(table):
    dataset = read(table(GOOD), class_names=["pos", "meh", "neg"])
    assert dataset.class_names == ["pos", "meh", "neg"]
    assert pairs(dataset) == [("A joy", 0), ("Not good", 2)]


def test_class_names_may_be_numbers(table):
    path = table("text,label\na,5\nb,5\n")
    assert pairs(read(path, class_names=[1, 5])) == [("a", 1), ("b", 1)]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("kept", [2**20, 0])
def test_whatever_csv_writes_comes_back(tmp_path, monkeypatch, ending, kept):
    monkeypatch.setattr(text_file, "KEEP_IN_MEMORY", kept)
    rng = random.Random(0)
    pieces = ["a", " ", ",", '"', '""', "\n", "\r\n", "\t", "é", "漢", "🎬", "", "'"]
    for trial in range(8):
        rows = [
            (
                "".join(rng.choices(pieces, k=rng.randint(0, 12))),
                rng.choice("xy"),
                str(i),
            )
            for i in range(rng.randint(2, 30))
        ]
        rows += [("last", "x", ""), ("very last", "y", "")]
        written = io.StringIO(newline="")
        writer = csv.writer(written, lineterminator=ending)
        writer.writerows([("text", "label", "id"), *rows])
        path = tmp_path / f"{trial}.csv"
        path.write_bytes(written.getvalue().encode())

        with warnings.catch_warnings():
            warnings.simplefilter("error", ResourceWarning)
            found = pairs(read(path, batch_size=5))

        assert found == [(text, "xy".index(label)) for text, label, _ in rows]


def test_a_field_may_hold_a_megabyte(table):
    text = 'long, "quoted"\n' * 2**16
    path = table('text,label\n"' + text.replace('"', '""') + '",pos\nNo,neg\n')
    assert pairs(read(path)) == [(text, 1), ("No", 0)]


def test_lines_with_nothing_on_them_hold_no_row(table):
    path = table("text,label\n\nA joy,pos\n\n\nNo,neg\n\n")
    assert pairs(read(path)) == [("A joy", 1), ("No", 0)]


def test_an_empty_text_is_an_example(table):
    assert pairs(read(table("text,label\n,pos\nNo,neg\n"))) == [("", 1), ("No", 0)]


def test_the_last_line_needs_no_end(table):
    assert pairs(read(table("text,label\nA joy,pos\nNo,neg"))) == pairs(
        read(table("text,label\nA joy,pos\nNo,neg\n", "b.csv"))
    )


@pytest.mark.parametrize(
    ("encoding", "written"),
    [("utf-8", "utf-8-sig"), ("latin-1", "latin-1"), ("utf-16", "utf-16")],
)
@pytest.mark.parametrize("kept", [2**20, 0])
def test_other_encodings_and_a_byte_order_mark(
    table, monkeypatch, encoding, written, kept
):
    monkeypatch.setattr(text_file, "KEEP_IN_MEMORY", kept)
    path = table("text,label\ndéjà vu,pos\nnaïf,neg\n".encode(written))
    assert pairs(read(path, encoding=encoding)) == [("déjà vu", 1), ("naïf", 0)]


def test_labelled_rows_are_shuffled_unless_told_otherwise(table):
    path = table("text,label\n" + "".join(f"{i},{i % 2}\n" for i in range(50)))
    rows = [(str(i), i % 2) for i in range(50)]
    shuffled = pairs(read_csv(path, text="text", label="label", seed=1))
    assert shuffled != rows and sorted(shuffled) == sorted(rows)


def test_a_table_that_changes_on_disk_is_not_misread(table, monkeypatch):
    monkeypatch.setattr(text_file, "KEEP_IN_MEMORY", 0)
    dataset = read(table(GOOD))
    table("text,label\nanother,pos\n")
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"reviews\.csv' must stay as it was"
    ):
        pairs(dataset)


REFUSED = {
    "a missing column, with a guess": (
        "txt,label\na,x\n",
        {},
        r"text='text' for '.*reviews\.csv', where line 1 has \['txt', 'label'\]\. "
        r"Did you mean 'txt'\?",
    ),
    "a missing label column": (
        GOOD,
        {"label": "stars"},
        r"`label` must name a column .*number it from 0 to 1.*label='stars'",
    ),
    "a column that is there twice": (
        "text,text,label\na,b,x\n",
        {},
        "where line 1 has it 2 times",
    ),
    "a number beyond the columns": (GOOD, {"label": 2}, "from 0 to 1.*label=2"),
    "a name where there are none": (
        GOOD,
        {"header": False},
        r"`text` must be a column's number from 0 to 1 where header=False.*text='text'",
    ),
    "a header with another delimiter": (
        "text;label\na;x\n",
        {},
        r"Did you mean delimiter=';'\?",
    ),
    "too few fields": (
        "text,label\na,x\n\nalone\n",
        {},
        r"must have 2 fields.*Received: 1 in line 4, no column 'label'\.",
    ),
    "too many fields": (
        "text,label\nOh, a joy,x\n",
        {},
        r"Received: 3 in line 2, a field 'x' in column 3\. Try quotes",
    ),
    "a quote that never closes": (
        'text,label\na,x\n"b,y\nc,z\n',
        {},
        r"reviews\.csv' must be a table.*unexpected end of data, in the row that begins "
        r"in line 3\. .*quotechar=None",
    ),
    "text after a closing quote": (
        'text,label\n"a" b,x\n',
        {},
        r"',' expected after '\"', in the row that begins in line 2",
    ),
    "an empty file": (
        "",
        {},
        r"reviews\.csv' must hold a row\. Received: an empty file",
    ),
    "a header alone": (
        "text,label\n",
        {},
        r"must hold a row below its header.*\['text', 'label'\] alone",
    ),
    "an empty label": (
        "text,label\na,x\nb,\n",
        {},
        r"must have a label.*reviews\.csv', line 3, column 'label'",
    ),
    "a single class": (
        "text,label\na,pos\nb,pos\n",
        {},
        r"single class 'pos' in column 'label' of '.*reviews\.csv'",
    ),
    "a label that is not among the class names": (
        'text,label\n"two\nlines",pos\nb,Neg\n',
        {"class_names": ["neg", "pos"]},
        r"class_names=\['neg', 'pos'\]\. Received: label 'Neg' in '.*reviews\.csv', "
        r"line 4, column 'label'\. Did you mean 'neg'\?",
    ),
    "undecodable bytes": (
        b"text,label\nna\xc3\xafve,x\ncaf\xe9,y\n",
        {},
        r"must be utf-8 text\. Received: byte 0xE9 in line 3, column 4 "
        r"\(byte 23 of the file\)",
    ),
    "bytes that are not ASCII": (
        "text,label\né,x\n",
        {"encoding": "ascii"},
        "must be ascii text.*0xC3 in line 2, column 1 .*Try encoding='utf-8'",
    ),
    "a delimiter of two characters": (
        GOOD,
        {"delimiter": "||"},
        "`delimiter` must be one",
    ),
    "a quote of none": (GOOD, {"quotechar": ""}, "`quotechar` must be one character"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_refuses(table, case):
    content, arguments, sentence = REFUSED[case]
    with pytest.raises(ValueError, match=sentence):
        read(table(content), **arguments)


def test_a_missing_table_is_named_with_a_guess(table):
    path = table(GOOD)
    with pytest.raises(ValueError, match=r"must be a file.*mean '.*/reviews\.csv'\?"):
        read(path.with_name("review.csv"))
    with pytest.raises(ValueError, match="which is a folder"):
        read(path.parent)


@pytest.mark.parametrize(
    "content",
    [b"no gzip at all", gzip.compress(GOOD.encode(), mtime=0)[:-12], b"\x1f\x8b\x08"],
)
def test_a_damaged_gzip_file_is_named(table, content):
    path = table(content, "reviews.csv.gz")
    with pytest.raises(
        ValueError, match=r"reviews\.csv\.gz' must be a whole gzip file"
    ):
        read(path)
