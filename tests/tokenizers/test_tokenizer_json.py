"""Hugging Face's tokenizer.json, read where it asks for what is done here."""

import json

import pytest

from keras_nlp_lite.tokenizers import BytePairTokenizer, WordPieceTokenizer
from keras_nlp_lite.tokenizers.tokenizer_json import (
    byte_pair_from_tokenizer_json,
    word_piece_from_tokenizer_json,
)

BYTE_PAIR = {
    "added_tokens": [{"id": 7, "content": "<mask>"}, {"id": 0, "content": "<s>"}],
    "normalizer": None,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False},
    "model": {
        "type": "BPE",
        "dropout": None,
        "continuing_subword_prefix": "",
        "vocab": {"<s>": 0, "a": 1, "Ġ": 3, "Ġa": 5},
        "merges": ["Ġ a"],
    },
}
WORD_PIECE = {
    "added_tokens": [{"id": 1, "content": "[UNK]"}, {"id": 0, "content": "[PAD]"}],
    "normalizer": {"type": "BertNormalizer", "strip_accents": None, "lowercase": True},
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "model": {"type": "WordPiece", "vocab": {"[UNK]": 1, "tea": 3, "##s": 2}},
}


@pytest.fixture
def write(tmp_path):
    """From a dict, with some of its entries changed, to the path of a file of it."""

    def write(settings, **changes):
        settings = json.loads(json.dumps(settings))
        for place, value in changes.items():
            *path, last = place.split("__")
            target = settings
            for key in path:
                target = target[key]
            target[last] = value
        path = tmp_path / "tokenizer.json"
        path.write_text(json.dumps(settings), encoding="utf-8")
        return path

    return write


def test_both_spellings_of_merges_are_read(write):
    wanted = (
        {"<s>": 0, "a": 1, "Ġ": 3, "Ġa": 5, "<mask>": 7},
        ["Ġ a"],
        ["<s>", "<mask>"],
    )
    assert byte_pair_from_tokenizer_json(write(BYTE_PAIR)) == wanted
    pairs = write(BYTE_PAIR, model__merges=[["Ġ", "a"]])
    assert byte_pair_from_tokenizer_json(str(pairs)) == wanted
    old = write(BYTE_PAIR, model__type=None)
    assert byte_pair_from_tokenizer_json(old) == wanted


def test_what_is_read_makes_a_tokenizer(write):
    vocabulary, merges, special = byte_pair_from_tokenizer_json(write(BYTE_PAIR))
    tokenizer = BytePairTokenizer(vocabulary, merges, unsplittable_tokens=special)
    assert tokenizer("a a<mask>").numpy().tolist() == [1, 5, 7]

    tokens, lowercase, strip_accents, special = word_piece_from_tokenizer_json(
        write(WORD_PIECE)
    )
    assert special == ["[PAD]", "[UNK]"]
    tokenizer = WordPieceTokenizer(
        tokens, lowercase=lowercase, strip_accents=strip_accents
    )
    assert tokenizer("Téas").numpy().tolist() == [3, 2]


def test_accents_go_where_case_does_unless_the_file_says_otherwise(write):
    for lowercase, strip, wanted in (
        (True, None, True),
        (False, None, False),
        (True, False, False),
        (False, True, True),
    ):
        path = write(
            WORD_PIECE, normalizer__lowercase=lowercase, normalizer__strip_accents=strip
        )
        assert word_piece_from_tokenizer_json(path)[1:3] == (lowercase, wanted)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"model__type": "Unigram"}, "model type 'BPE'.* Received: 'Unigram'"),
        ({"model__vocab": [["a", 0]]}, "must have a vocabulary.* Received: vocab="),
        ({"model": None}, "must have a model"),
        ({"normalizer": {"type": "NFC"}}, "normalizer None.* Received: .*NFC"),
        ({"pre_tokenizer": {"type": "Whitespace"}}, "'ByteLevel'.* 'Whitespace'"),
        ({"pre_tokenizer__use_regex": False}, "use_regex True.* Received: False"),
        ({"model__byte_fallback": True}, "byte_fallback False.* Received: True"),
        ({"model__ignore_merges": True}, "ignore_merges False.* Received: True"),
        ({"model__end_of_word_suffix": "</w>"}, "Received: '</w>'"),
    ],
)
def test_byte_pairs_of_another_kind_are_refused(write, changes, message):
    with pytest.raises(ValueError, match=message):
        byte_pair_from_tokenizer_json(write(BYTE_PAIR, **changes))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"model__type": "BPE"}, "model type 'WordPiece'.* Received: 'BPE'"),
        ({"normalizer": None}, "normalizer type 'BertNormalizer'.* Received: None"),
        ({"normalizer__handle_chinese_chars": False}, "handle_chinese_chars True"),
        ({"pre_tokenizer__type": "Whitespace"}, "'BertPreTokenizer'.* 'Whitespace'"),
        ({"model__continuing_subword_prefix": "@@"}, "Received: '@@'"),
        ({"model__vocab": {"[UNK]": 1, "tea": 3}}, "'tea' with id 3 in place 2"),
    ],
)
def test_word_pieces_of_another_kind_are_refused(write, changes, message):
    with pytest.raises(ValueError, match=message):
        word_piece_from_tokenizer_json(write(WORD_PIECE, **changes))


def test_what_is_no_such_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="which does not exist"):
        byte_pair_from_tokenizer_json(tmp_path / "tokenizer.json")
    path = tmp_path / "tokenizer.json"
    path.write_text("[1, ")
    with pytest.raises(ValueError, match="the JSON ends in an error"):
        byte_pair_from_tokenizer_json(path)
