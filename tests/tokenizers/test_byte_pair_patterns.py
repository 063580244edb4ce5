"""Words as GPT-2, Llama 3 and Qwen 2 cut them, against the Rust library."""

import itertools
import random
import unicodedata

import numpy as np
import pytest
import tensorflow as tf
import tokenizers as peer

from keras_nlp_lite.ops import portable_ops
from keras_nlp_lite.tokenizers import BytePairTokenizer
from keras_nlp_lite.tokenizers.byte_pair_alphabet import ALPHABET, unspell
from keras_nlp_lite.tokenizers.byte_pair_patterns import PATTERNS
from keras_nlp_lite.tokenizers.byte_pair_splitting import split_byte_words
from tests.tokenizers.odd_texts import ODD_TEXTS, check_spans
from tests.tokenizers.test_byte_pair_tokenizer import LEARNED, SPACES, random_bytes

MERGES = [" ".join(pair) for pair in LEARNED]
# The last ones are words that no merges lead to.
TOKENS = [*ALPHABET, *dict.fromkeys(a + b for a, b in LEARNED), "Ġabc", "!x", "199"]
IDS = {token: id for id, token in enumerate(TOKENS)}


def make(pattern, **settings):
    return BytePairTokenizer(IDS, MERGES, split_pattern=pattern, **settings)


def theirs(pattern, ignore_merges):
    """The Rust library, which is given the regular expression itself."""
    model = peer.models.BPE(IDS, list(LEARNED), ignore_merges=ignore_merges)
    tokenizer = peer.Tokenizer(model)
    tokenizer.pre_tokenizer = peer.pre_tokenizers.Sequence(
        [
            peer.pre_tokenizers.Split(peer.Regex(PATTERNS[pattern]), "isolated"),
            peer.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return tokenizer


def random_texts(count):
    """What the regular expressions look at, and now and then any character."""
    rng = random.Random(5)
    parts = [
        *SPACES,
        *"     ''''stmrevldSTRMEVLD.,?!<>x12²½abé中🙂",
        *"\u0301\u200b\ufeff\0",
    ]
    parts += ["'s", "'S", "'\u017f", "'ll", "'Ve", "\r\n", "\n\n", "\t", " the", "9999"]
    parts += [" abc", "!x", "199", "\n", "\n"]
    characters = map(chr, range(0x30000))
    some = [c for c in characters if unicodedata.category(c) not in ("Cn", "Cs")]

    def part():
        chosen = rng.choice(parts if rng.random() < 0.85 else some)
        return chosen * rng.choice([1, 1, 1, 2, 4])

    return ["".join(part() for _ in range(rng.randint(0, 14))) for _ in range(count)]


TEXTS = random_texts(20_000)
TEXTS += [t.decode() for t in ODD_TEXTS if t.decode(errors="ignore").encode() == t]


@pytest.mark.parametrize(
    "text, llama3, qwen2",
    [
        ("It's we'LL, you'Ve'd", "It|'s| we|'LL|,| you|'Ve|'d", None),
        ("'\u017fa 's ''s (d'a", "'\u017f|a| '|s| ''|s| (|d|'a", None),
        ("a 12345 ½²x", "a| |123|45| |½²|x", "a| |1|2|3|4|5| |½|²|x"),
        ("!a !!a \t\ta \u3000b", "!a| !!|a| \t|\ta| |\u3000b", None),
        ("a!\n\n b\r\n?\n\n", "a|!\n\n| b|\r\n|?\n\n", None),
        ("a \n \n  b\n c  ", "a| \n \n| | b|\n| c|  ", None),
        ("!\n \n1\t1 ", "!\n| \n|1|\t|1| ", None),
        ("", "", None),
    ],
)
def test_words_are_those_of_the_regular_expression(text, llama3, qwen2):
    for pattern, words in (("llama3", llama3), ("qwen2", qwen2 or llama3)):
        (got,) = split_byte_words(tf.constant([text]), pattern).to_list()
        got = [unspell(word.decode()).decode() for word in got]
        assert got == [word for word in words.split("|") if word]


@pytest.mark.parametrize("ignore_merges", [False, True])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_ids_are_those_of_the_rust_library(pattern, ignore_merges):
    wanted = theirs(pattern, ignore_merges).encode_batch(TEXTS)
    got = make(pattern, ignore_merges=ignore_merges)(TEXTS).to_list()
    for text, ids, encoding in zip(TEXTS, got, wanted):
        assert ids == encoding.ids, repr(text)


@pytest.mark.parametrize("ignore_merges", [False, True])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_plain_ops_give_the_same_tokens_places_and_words(pattern, ignore_merges):
    texts = [text.encode() for text in TEXTS[:1000]] + random_bytes(1000) + ODD_TEXTS
    tokenizer = make(pattern, ignore_merges=ignore_merges)

    def results():
        return *tokenizer.tokenize_with_offsets(texts), tokenizer.word_ids(texts)

    usual = results()
    with portable_ops():
        plain = results()
    for one, other in zip(usual, plain):
        assert one.to_list() == other.to_list()


@pytest.mark.parametrize("pattern", PATTERNS)
def test_no_byte_is_lost_and_tokens_tile_the_text(pattern):
    texts = random_bytes(500) + ODD_TEXTS
    tokenizer = make(pattern, ignore_merges=True)
    tokens, starts, ends = tokenizer.tokenize_with_offsets(texts)
    assert tokenizer.detokenize(tokens).numpy().tolist() == texts
    for text, *spans in zip(texts, starts.to_list(), ends.to_list()):
        assert not check_spans(text, *spans)


def test_a_word_of_the_vocabulary_is_not_merged_where_merges_are_ignored():
    assert make("gpt2", dtype="string")(" abc").shape[0] > 1
    assert make("gpt2", ignore_merges=True)(" abc").numpy().tolist() == [IDS["Ġabc"]]
    # Nor does a token that means no text become one by its letters.
    special = make("gpt2", ignore_merges=True, special_tokens=["199"])
    assert IDS["199"] not in special("199").numpy()


def test_the_config_keeps_how_words_are_cut():
    config = make("qwen2", ignore_merges=True).get_config()
    copy = BytePairTokenizer.from_config(config)
    assert copy.split_pattern == "qwen2" and copy.ignore_merges is True
    assert BytePairTokenizer().split_pattern == "gpt2"


def test_an_unknown_pattern_is_refused():
    with pytest.raises(
        ValueError, match="split_pattern='llama'. Did you mean 'llama3'"
    ):
        BytePairTokenizer(split_pattern="llama")


def test_numbers_are_cut_from_the_left():
    for digits, (length, pattern) in itertools.product(
        range(1, 9), [(3, "llama3"), (1, "qwen2")]
    ):
        (words,) = split_byte_words(tf.constant(["7" * digits]), pattern).to_list()
        wanted = [min(length, digits - at) for at in range(0, digits, length)]
        np.testing.assert_array_equal([len(word) for word in words], wanted)
