"""Vocabularies that are learned fit the tokenizers that use them."""

import collections
import gzip
import inspect
import itertools
import sys

import pytest
import tensorflow as tf

from keras_nlp_lite.tokenizers import (
    BertTokenizer,
    BytePairTokenizer,
    WordPieceTokenizer,
    compute_byte_pair_vocabulary,
    compute_sentence_piece_proto,
    compute_word_piece_vocabulary,
)
from keras_nlp_lite.tokenizers.byte_pair_alphabet import ALPHABET
from keras_nlp_lite.tokenizers.byte_pair_splitting import split_byte_words
from keras_nlp_lite.tokenizers.sentence_piece_tokenizer import SentencePieceTokenizer
from tests.tokenizers.corpus import made_up_texts

TEXTS = made_up_texts()
BERT = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]


def train_all(data, **settings):
    """What the three functions learn, as values that can be compared."""
    return [
        compute_byte_pair_vocabulary(data, 400, **settings),
        compute_word_piece_vocabulary(data, 150, **settings),
        compute_sentence_piece_proto(data, 100, **settings),
    ]


def test_every_kind_of_corpus_gives_the_same_vocabulary(tmp_path):
    path = tmp_path / "corpus.txt.gz"
    path.write_bytes(gzip.compress("\n".join(TEXTS).encode()))
    wanted = train_all(TEXTS)
    assert train_all([path]) == wanted
    assert train_all([str(path)]) == wanted
    dataset = tf.data.Dataset.from_tensor_slices(TEXTS)
    assert train_all(dataset) == wanted
    assert train_all(dataset.batch(64)) == wanted


def test_a_corpus_that_is_too_large_gives_one_warning_and_a_vocabulary():
    for learn in (
        lambda: compute_byte_pair_vocabulary(TEXTS, 300, max_bytes=10_000),
        lambda: compute_word_piece_vocabulary(TEXTS, 80, max_bytes=10_000),
        lambda: compute_sentence_piece_proto(TEXTS, 60, max_bytes=10_000),
    ):
        with pytest.warns(UserWarning, match="Training on an even sample") as caught:
            assert learn()
        assert len(caught) == 1 and caught[0].filename == __file__


@pytest.mark.parametrize("name", ["tokenizers", "sentencepiece"])
def test_a_missing_library_is_named_with_how_to_install_it(monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    learn = {
        "tokenizers": compute_word_piece_vocabulary,
        "sentencepiece": compute_sentence_piece_proto,
    }[name]
    with pytest.raises(ImportError, match=f"`{name}`.*keras-nlp-lite.tokenizers"):
        learn(iter([]), 100)


# Byte pairs


def test_byte_pairs_fill_the_vocabulary_from_special_tokens_and_bytes_on():
    special = ["<s>", "<mask>"]
    vocabulary, merges = compute_byte_pair_vocabulary(
        TEXTS, 400, special_tokens=special
    )
    assert list(vocabulary.values()) == list(range(400))
    tokens = list(vocabulary)
    assert tokens[:2] == special and set(tokens[2:258]) == set(ALPHABET)
    assert tokens[258:] == [merge.replace(" ", "") for merge in merges]


def test_byte_pairs_are_those_that_plain_counting_finds():
    words = collections.Counter(
        tuple(word.decode())
        for row in split_byte_words(tf.constant(TEXTS)).to_list()
        for word in row
    )
    _, merges = compute_byte_pair_vocabulary(TEXTS, 256 + 40)
    for merge in merges:
        pairs = collections.Counter()
        for word, count in words.items():
            for pair in itertools.pairwise(word):
                pairs[pair] += count
        left, right = merge.split(" ")
        assert pairs[left, right] == max(pairs.values())
        words = collections.Counter(
            {merged(word, left, right): count for word, count in words.items()}
        )


def merged(word, left, right):
    symbols, i = [], 0
    while i < len(word):
        if word[i : i + 2] == (left, right):
            symbols.append(left + right)
            i += 2
        else:
            symbols.append(word[i])
            i += 1
    return tuple(symbols)


def test_byte_pairs_make_texts_shorter_and_give_them_back():
    tokenizer = BytePairTokenizer(*compute_byte_pair_vocabulary(TEXTS, 600))
    unseen = made_up_texts(20, seed=0) + ["Ωmega\n\tnever seen 𝄞"]
    rows = tokenizer(unseen)
    restored = tokenizer.detokenize(rows).numpy().tolist()
    assert [text.decode() for text in restored] == unseen
    characters = sum(map(len, unseen))
    assert rows.flat_values.shape[0] < characters / 2


def test_byte_pairs_end_where_no_pair_is_frequent_enough():
    texts = ["abc", "abc", "abd"]
    vocabulary, merges = compute_byte_pair_vocabulary(texts, 400)
    assert merges == ["a b", "ab c"] and len(vocabulary) == 258
    _, merges = compute_byte_pair_vocabulary(texts, 400, min_frequency=1)
    assert merges == ["a b", "ab c", "ab d"]


def test_a_prefix_space_is_learned_where_the_tokenizer_will_add_it():
    vocabulary, _ = compute_byte_pair_vocabulary(["ab"] * 9, 300, add_prefix_space=True)
    assert "Ġab" in vocabulary
    vocabulary, _ = compute_byte_pair_vocabulary(["ab"] * 9, 300)
    assert "ab" in vocabulary and "Ġab" not in vocabulary


def test_bytes_that_are_no_text_do_not_stop_byte_pairs():
    vocabulary, _ = compute_byte_pair_vocabulary([b"na\xefve word"] * 3, 280)
    assert "Ġword" in vocabulary


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"vocabulary_size": 256, "special_tokens": ["<s>"]}, "Try 257 or more"),
        ({"vocabulary_size": 0}, "vocabulary_size=0"),
        ({"vocabulary_size": 300, "min_frequency": 0}, "min_frequency=0"),
        ({"vocabulary_size": 300, "special_tokens": "<s>"}, "special_tokens='<s>'"),
        ({"vocabulary_size": 300, "max_bytes": 0}, "max_bytes=0"),
    ],
)
def test_byte_pairs_refuse_what_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        compute_byte_pair_vocabulary(TEXTS, **arguments)


# Word pieces


def test_word_pieces_begin_with_the_reserved_tokens_and_end_in_time():
    tokens = compute_word_piece_vocabulary(TEXTS, 150)
    assert tokens[:5] == BERT and len(tokens) == len(set(tokens)) == 150
    characters = [token for token in tokens[5:] if len(token.removeprefix("##")) == 1]
    assert tokens[5:][: len(characters)] == characters


@pytest.mark.parametrize("lowercase", [False, True])
@pytest.mark.parametrize("strip_accents", [False, True])
@pytest.mark.parametrize("split_on_cjk", [False, True])
def test_every_word_that_was_read_has_pieces(lowercase, strip_accents, split_on_cjk):
    settings = {
        "lowercase": lowercase,
        "strip_accents": strip_accents,
        "split_on_cjk": split_on_cjk,
    }
    tokens = compute_word_piece_vocabulary(TEXTS, 300, min_frequency=1, **settings)
    tokenizer = WordPieceTokenizer(tokens, **settings)
    used = set(tokenizer(TEXTS).flat_values.numpy().tolist())
    assert tokenizer.token_to_id("[UNK]") not in used
    # Nothing was learned that the tokenizer cannot meet, but inner steps of merging.
    text = "".join(tokens[5:])
    assert lowercase != any(c.isupper() for c in text)
    assert strip_accents != ("é" in text)
    assert split_on_cjk != ("##中" in tokens)


def test_word_pieces_are_those_that_plain_counting_finds():
    texts = [text.lower() for text in TEXTS]
    tokens = compute_word_piece_vocabulary(texts, 110, reserved_tokens=["[UNK]"])
    first = next(i for i, x in enumerate(tokens) if len(x.removeprefix("##")) > 1 and i)
    words = collections.Counter(
        (word[0], *(f"##{c}" for c in word[1:])) for word in split(texts)
    )
    assert len(tokens) - first > 20
    for token in tokens[first:]:
        pairs = collections.Counter()
        for word, count in words.items():
            for pair in itertools.pairwise(word):
                pairs[pair] += count
        best = [pair for pair in pairs if pairs[pair] == max(pairs.values())]
        pair = next(x for x in best if x[0] + x[1].removeprefix("##") == token)
        words = collections.Counter(
            {joined(word, *pair): count for word, count in words.items()}
        )


def split(texts):
    """Words of the made-up texts, whose punctuation is known."""
    for mark in "',.-中文":
        texts = [text.replace(mark, f" {mark} ") for text in texts]
    return [word for text in texts for word in text.split()]


def joined(word, left, right):
    pair = merged(word, left, right)
    return tuple(
        x if x != left + right else left + right.removeprefix("##") for x in pair
    )


def test_a_small_vocabulary_keeps_the_most_frequent_characters():
    texts = ["aaa aa a b"] * 5
    tokens = compute_word_piece_vocabulary(texts, 4, reserved_tokens=["[UNK]"])
    assert tokens == ["[UNK]", "a", "b", "##a"]
    tokens = compute_word_piece_vocabulary(texts, 3, reserved_tokens=["[UNK]"])
    assert set(tokens) == {"[UNK]", "a", "##a"}
    rare = compute_word_piece_vocabulary(TEXTS, 200, alphabet_size=5)
    assert len({c for token in rare[5:] for c in token.removeprefix("##")}) == 5


def test_words_that_come_split_are_kept_as_they_are():
    words = tf.data.Dataset.from_tensors(["it's", "it's", "a-b", "a-b"])
    tokens = compute_word_piece_vocabulary(words.repeat(9), 40, split=False)
    assert "it's" in tokens and "a-b" in tokens
    tokenizer = WordPieceTokenizer(tokens, split=False)
    assert tokenizer(["it's", "a-b"]).shape == (2,)


def test_files_hold_no_words(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(ValueError, match="files do not"):
        compute_word_piece_vocabulary([str(tmp_path / "a.txt")], 40, split=False)


def test_the_mark_of_pieces_that_go_on_is_of_ones_choice():
    tokens = compute_word_piece_vocabulary(TEXTS, 150, suffix_indicator="@@")
    assert any(token.startswith("@@") for token in tokens)
    assert not any(token.startswith("##") for token in tokens)
    tokenizer = WordPieceTokenizer(tokens, suffix_indicator="@@")
    assert tokenizer(TEXTS[0]).shape[0] > 0


def test_the_file_holds_what_is_returned_otherwise(tmp_path):
    path = tmp_path / "vocab.txt"
    assert compute_word_piece_vocabulary(TEXTS, 150, str(path)) is None
    tokens = compute_word_piece_vocabulary(TEXTS, 150)
    assert path.read_text(encoding="utf-8").split("\n") == [*tokens, ""]
    assert BertTokenizer(path).get_vocabulary() == tokens


def test_word_pieces_refuse_too_little_room_and_tokens_that_come_twice():
    with pytest.raises(ValueError, match="vocabulary_size=5, and 5 reserved"):
        compute_word_piece_vocabulary(TEXTS, 5)
    with pytest.raises(ValueError, match="each token once.*'<s>'"):
        compute_word_piece_vocabulary(TEXTS, 90, reserved_tokens=["<s>", "<s>"])


def test_a_word_that_the_tokenizer_gives_up_on_teaches_nothing():
    tokens = compute_word_piece_vocabulary(["xy" * 51 + " ab ab"], 60)
    assert "ab" in tokens and not any("x" in token for token in tokens)


def test_white_space_within_a_stretch_of_text_is_cut_as_the_tokenizer_cuts():
    texts = ["one\x0btwo\x1cthree\tfour\u00adfive\n", "ein\u3000wort six"] * 5
    tokens = compute_word_piece_vocabulary(texts, 200)
    tokenizer = WordPieceTokenizer(tokens)
    used = [tokenizer.id_to_token(id) for id in tokenizer(texts[0]).numpy()]
    assert "four" not in used and "onetwothree" in used
    assert not any(character in "".join(tokens) for character in "\x0b\x1c\t\n\u3000")


# SentencePiece


def test_a_sentence_piece_model_fits_its_tokenizer():
    proto = compute_sentence_piece_proto(TEXTS, 100, character_coverage=1.0)
    tokenizer = SentencePieceTokenizer(proto)
    assert tokenizer.vocabulary_size() == 100
    assert tokenizer.get_vocabulary()[:4] == ["<pad>", "<unk>", "<s>", "</s>"]
    restored = tokenizer.detokenize(tokenizer(TEXTS[0])).numpy().decode()
    assert restored == TEXTS[0]


def test_a_sentence_piece_model_lowercases_if_asked():
    proto = compute_sentence_piece_proto(TEXTS, 80, lowercase=True)
    tokenizer = SentencePieceTokenizer(proto)
    text = TEXTS[0].lower()
    assert (
        tokenizer(TEXTS[0].upper()).numpy().tolist() == tokenizer(text).numpy().tolist()
    )


def test_a_sentence_piece_model_goes_to_a_file(tmp_path):
    path = tmp_path / "model.spm"
    assert compute_sentence_piece_proto(TEXTS, 80, "bpe", str(path)) is None
    assert path.read_bytes() == compute_sentence_piece_proto(TEXTS, 80, "bpe")


def test_long_texts_are_not_skipped():
    proto = compute_sentence_piece_proto(
        ["abc " * 2000, "xyz"] * 9, 6, "word", character_coverage=1.0
    )
    assert "▁abc" in SentencePieceTokenizer(proto).get_vocabulary()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((5_000,), r"more tokens than the texts have. Try at most \d+"),
        ((6,), r"fewer tokens than frequent characters. Try \d+ or more"),
        ((80, "unigrams"), "Did you mean 'unigram'"),
        ((0,), "vocabulary_size=0"),
    ],
)
def test_a_sentence_piece_model_refuses_what_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        compute_sentence_piece_proto(TEXTS, *arguments)


def test_the_shared_arguments_come_first_and_in_the_order_that_keras_hub_has():
    assert positional(compute_word_piece_vocabulary) == {
        "data": inspect.Parameter.empty,
        "vocabulary_size": inspect.Parameter.empty,
        "vocabulary_output_file": None,
        "lowercase": False,
        "strip_accents": False,
        "split": True,
        "split_on_cjk": True,
        "suffix_indicator": "##",
        "reserved_tokens": tuple(BERT),
    }
    assert positional(compute_sentence_piece_proto) == {
        "data": inspect.Parameter.empty,
        "vocabulary_size": inspect.Parameter.empty,
        "model_type": "unigram",
        "proto_output_file": None,
        "lowercase": False,
    }


def positional(function):
    return {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    }
