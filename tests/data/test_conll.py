"""read_conll: what it makes of columns, and how it refuses them."""

import gzip

import pytest
import tensorflow as tf

from keras_nlp_lite.data import read_conll, text_file


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def sentences(dataset):
    """A dataset's sentences in order: each "word/label word/label ..."."""
    found = []
    for words, labels in dataset:
        for row, tags in zip(words.to_list(), labels.to_list()):
            assert len(row) == len(tags)
            pairs = (f"{w.decode()}/{t.decode()}" for w, t in zip(row, tags))
            found.append(" ".join(pairs))
    return found


def read(path, **kwargs):
    return read_conll(path, **{"shuffle": False, **kwargs})


TWO = "A\tDET\njoy\tNOUN\n\nDelicious\tADJ\n"


def test_a_sentence_is_a_row_of_words_and_a_row_of_labels(tmp_path):
    dataset = read(write(tmp_path / "a.conll", TWO))
    assert sentences(dataset) == ["A/DET joy/NOUN", "Delicious/ADJ"]
    assert dataset.class_names == ["ADJ", "DET", "NOUN"]
    assert len(dataset) == 1
    ragged = tf.RaggedTensorSpec([None, None], tf.string)
    assert dataset.element_spec == (ragged, ragged)


@pytest.mark.parametrize("kept", [2**20, 0])
def test_any_word_comes_back(tmp_path, monkeypatch, kept):
    monkeypatch.setattr(text_file, "KEEP_IN_MEMORY", kept)
    odd = ["é", "two words", "\u2028", "\x85", "#", '"', "\\", "🎬", "\u00a0", " ", "0"]
    content = "".join(f"{word}\t{i % 2}\n" for i, word in enumerate(odd))
    (words, _), *none = read(write(tmp_path / "a.conll", content))
    assert [word.decode() for word in words.to_list()[0]] == odd
    assert not none


@pytest.mark.parametrize(
    "content",
    [
        "\n\n" + TWO + "\n \n\t\n",
        TWO.removesuffix("\n"),
        TWO.replace("\n", "\r\n"),
        "\ufeff" + TWO,
        "-DOCSTART- -X- O\n\n" + TWO,
        "-DOCSTART-\tO\n" + TWO.replace("\n\n", "\n-DOCSTART-\tO\n"),
        "# newdoc\n# text = A joy\n" + TWO.replace("\n\n", "\n\n# text = Delicious\n"),
        TWO.replace("\t", " "),
        TWO.replace("\t", "   "),
    ],
)
def test_blank_lines_comments_and_document_starts_hold_no_word(tmp_path, content):
    path = write(tmp_path / "a.conll", content)
    assert sentences(read(path)) == sentences(read(write(tmp_path / "b.conll", TWO)))


def test_a_hash_is_a_word_where_it_has_a_column_or_stands_inside_a_sentence(tmp_path):
    path = write(tmp_path / "a.conll", "# \tSYM\n1\tNUM\n\nno Q\n# SYM\n#tag X\n")
    assert sentences(read(path)) == ["# /SYM 1/NUM", "no/Q #/SYM #tag/X"]


CONLL_U = "# sent_id = 1\n1\tA\ta\tDET\tDT\t_\n2\tjoy\tjoy\tNOUN\tNN\t_\n\n"
CONLL_2003 = "EU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\n"


def test_columns_are_counted_from_the_left_or_from_the_right(tmp_path):
    path = write(tmp_path / "a.conllu", CONLL_U)
    assert sentences(read(path, word=1, label=3)) == ["A/DET joy/NOUN"]
    assert sentences(read(path, word=-5, label=-2)) == ["A/DT joy/NN"]
    path = write(tmp_path / "a.txt", CONLL_2003)
    dataset = read(path, label=-1)
    assert sentences(dataset) == ["EU/B-ORG rejects/O"]
    assert dataset.class_names == ["B-ORG", "O"]


def test_compressed_and_encoded_files_read_as_plain_ones(tmp_path):
    content = TWO.replace("joy", "joié")
    wanted = ["A/DET joié/NOUN", "Delicious/ADJ"]
    packed = write(tmp_path / "a.conll.gz", gzip.compress(content.encode()))
    assert sentences(read(packed)) == wanted
    for encoding in ("latin-1", "utf-16"):
        path = write(tmp_path / "a.conll", content.encode(encoding))
        assert sentences(read(path, encoding=encoding)) == wanted


def many(count):
    """`count` sentences of 1 to 4 words: "0.0", then "1.0 1.1", ..."""
    rows = (
        [f"{i}.{j}\t{'AB'[j % 2]}\n" for j in range(1 + i % 4)] for i in range(count)
    )
    return "\n".join("".join(row) for row in rows)


@pytest.mark.parametrize("batch_size", [1, 7, 32, 1000])
def test_every_sentence_comes_once_each_epoch_in_a_new_order(tmp_path, batch_size):
    path = write(tmp_path / "a.conll", many(211))
    wanted = sentences(read(path))
    dataset = read_conll(path, batch_size=batch_size, seed=3)
    sizes = [int(words.nrows()) for words, _ in dataset]
    assert len(dataset) == len(sizes)
    assert set(sizes[:-1]) <= {batch_size} and sum(sizes) == 211
    first, second = sentences(dataset), sentences(dataset)
    assert first != second
    assert sorted(first) == sorted(second) == sorted(wanted)


def test_the_same_seed_gives_the_same_epochs_and_the_same_split(tmp_path):
    path = write(tmp_path / "a.conll", many(61))

    def run():
        train, validation = read_conll(path, seed=3, validation_split=0.2)
        return [sentences(train), sentences(train), sentences(validation)]

    one, validation = run(), run()[2]
    assert one == run()
    assert len(validation) == 12
    assert sorted(one[0] + validation) == sorted(sentences(read(path)))


def test_both_parts_of_a_split_name_all_classes(tmp_path):
    path = write(tmp_path / "a.conll", "a\tX\n\nb\tY\n")
    for part in read_conll(path, validation_split=0.5):
        assert part.class_names == ["X", "Y"]
        assert len(sentences(part)) == 1


REFUSED = {
    "a line without the label's column": (
        "A\tDET\njoy\n",
        r"a label in column 1\. Received: '.*a\.conll', line 2, with 1 columns: "
        r"\['joy'\]",
    ),
    "nothing in the label's column": (
        "# text\nA\tDET\njoy\t\n",
        r"a label in column 1\. .*line 3, with nothing there: \['joy', ''\]",
    ),
    "nothing in the word's column": ("\tDET\n", r"a word in column 0\. .*line 1"),
    "a single class": ("a\tX\nb\tX\n", r"single class 'X' in column 1 of '.*a\.conll'"),
    "an empty file": ("", r"a\.conll' must hold a word"),
    "comments alone": ("# one\n\n# two\n", r"a\.conll' must hold a word"),
    "undecodable bytes": (
        b"A\tDET\ncaf\xe9\tNOUN\n",
        r"must be utf-8 text\. Received: byte 0xE9 in line 2, column 4",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_refuses(tmp_path, case):
    content, sentence = REFUSED[case]
    with pytest.raises(ValueError, match=sentence):
        read(write(tmp_path / "a.conll", content))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"word": 2}, r"a word in column 2\. .*line 1, with 2 columns"),
        ({"label": -3}, r"a label in column -3\. .*line 1, with 2 columns"),
        ({"word": "FORM"}, r"number of a column\. Received: word='FORM'"),
        ({"label": True}, r"label=True"),
        ({"batch_size": 0}, r"batch_size=0"),
    ],
)
def test_it_refuses_bad_settings(tmp_path, settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        read(write(tmp_path / "a.conll", TWO), **settings)


def test_it_refuses_a_missing_file(tmp_path):
    with pytest.raises(ValueError, match="`path` must be a file"):
        read(tmp_path / "none.conll")
