"""Byte pairs against one merge after the other, and everything around them."""

import collections
import itertools
import json
import random
import re
import unicodedata

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.layers.start_end_packer import StartEndPacker
from keras_nlp_lite.ops import portable_ops
from keras_nlp_lite.tokenizers import BytePairTokenizer, RobertaTokenizer
from keras_nlp_lite.tokenizers.byte_pair_alphabet import ALPHABET, spell, unspell
from keras_nlp_lite.tokenizers.byte_pair_splitting import split_byte_words
from tests.new_process import served

CORPUS = (
    "the tea isn't the  best, she's said:   we'll see\n\n\n12 112 sèves aaaa 中文中文!!"
)
SPACES = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
SPECIAL = ["<mask>", "<m", "é<", "<s x>"]
TEXTS = ["The tea.", "", "it's\xa0 12  aaaaa", "?"]


# A second, slower formula: one match, then one merge, after the other.


def words_of(text):
    """GPT-2's regular expression, alternative by alternative."""
    words, at = [], 0
    while at < len(text):
        end = match_end(text, at)
        words.append(text[at:end])
        at = end
    return words


def match_end(text, at):
    for contraction in ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d"):
        if text.startswith(contraction, at):
            return at + len(contraction)
    start = at + (text[at] == " ")
    for kind in ("letter", "number", "symbol"):
        end = start
        while end < len(text) and kind_of(text[end]) == kind:
            end += 1
        if end > start:
            return end
    end = at
    while end < len(text) and text[end] in SPACES:
        end += 1
    return end - 1 if at + 1 < end < len(text) else end


def kind_of(character):
    if character in SPACES:
        return "space"
    category = unicodedata.category(character)
    return {"L": "letter", "N": "number"}.get(category[0], "symbol")


def merged(parts, ranks):
    """The best pair becomes one part, the first of it if it comes twice, and so on."""
    while True:
        pairs = list(itertools.pairwise(parts))
        best = min(pairs, key=lambda pair: ranks.get(pair, len(ranks)), default=None)
        if best not in ranks:
            return parts
        at = pairs.index(best)
        parts = [*parts[:at], "".join(best), *parts[at + 2 :]]


def learn(corpus, count):
    """Merges as byte-pair encoding learns them: always the most frequent pair."""
    words = [list(spell(word.encode())) for word in words_of(corpus)]
    merges = []
    for _ in range(count):
        pairs = collections.Counter(
            p for word in words for p in itertools.pairwise(word)
        )
        merges.append(max(pairs, key=lambda pair: (pairs[pair], pair)))
        words = [merged(word, {merges[-1]: 0}) for word in words]
    return merges


LEARNED = learn(CORPUS, 45)
SHUFFLED = random.Random(0).sample(LEARNED, len(LEARNED))
TOKENS = [*SPECIAL, *ALPHABET, *dict.fromkeys(a + b for a, b in LEARNED)]
# Ids with gaps, and in no order.
IDS = dict(zip(TOKENS, random.Random(1).sample(range(999), len(TOKENS))))


def make(merges=LEARNED, **settings):
    return BytePairTokenizer(IDS, [" ".join(pair) for pair in merges], **settings)


def tokens_of(text, merges=LEARNED, special=(), prefix=False):
    """Text, with surrogates for bytes that are not UTF-8, to tokens."""
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    longest_first = sorted(special, key=len, reverse=True)
    pattern = "|".join(map(re.escape, longest_first)) or "(?!)"
    tokens = []
    for part in re.split(f"({pattern})", text):
        if part in special:
            tokens.append(part)
            continue
        if prefix and part and part[0] != " ":
            part = " " + part
        for word in words_of(part):
            data = word.encode("utf-8", "surrogateescape")
            tokens += merged(list(spell(data)), ranks)
    return tokens


def random_texts(count):
    rng = random.Random(2)
    everyday = [*SPACES, *"     '''stremvld.,?!<>sx12²", *"tea é中文 aaa", *SPECIAL]
    everyday += [
        "'s",
        "'ve",
        "'ll",
        " the",
        "\u0301",
        "\u200b",
        "\ufeff",
        "\0",
        "\x1f\x1e",
    ]
    characters = list(map(chr, range(0x30000)))
    assigned = [c for c in characters if unicodedata.category(c) not in ("Cn", "Cs")]
    texts = []
    for _ in range(count):
        pieces = rng.choices([everyday, assigned], [5, 1], k=rng.randint(0, 25))
        texts.append("".join(rng.choice(p) * rng.choice([1, 1, 1, 3]) for p in pieces))
    return [*texts, "a" * 201, " " * 200 + "a"]


def random_bytes(count):
    rng = random.Random(3)
    parts = [
        b"\xff",
        b"\x80",
        b"\xe2\x82",
        b"\xf0\x9f\x98",
        b"\xed\xa0\x80",
        b"\xc0\x80",
    ]
    parts += [b" ", b"'s", b"a", b"1", b"\n", b"\0", "é".encode(), b"\x82\xac"]
    mixed = [b"".join(rng.choices(parts, k=rng.randint(0, 12))) for _ in range(count)]
    return mixed + [rng.randbytes(rng.randint(0, 30)) for _ in range(count)]


# Words


@pytest.mark.parametrize(
    "text, words",
    [
        ("Hello world", "Hello| world"),
        ("It's we'll, you've'd", "It|'s| we|'ll|,| you|'ve|'d"),
        ("it'S 'tis ''s !'s", "it|'|S| '|tis| ''|s| !'|s"),
        ("'s's 5's\t's", "'s|'s| 5|'s|\t|'s"),
        ("'lx 'll 'r", "'|lx| '|ll| '|r"),
        ("a  b   c ", "a| | b|  | c| "),
        ("a\n\n b\n\nc", "a|\n\n| b|\n|\n|c"),
        ("a \n", "a| \n"),
        ("\u3000\u3000x\xa0 y", "\u3000|\u3000|x|\xa0| y"),
        ("x2² ³½ 10,000", "x|2²| ³½| 10|,|000"),
        ("e\u0301té नि", "e|\u0301|té| न|ि"),
        ("", ""),
    ],
)
def test_words_are_those_of_gpt2(text, words):
    words = [word for word in words.split("|") if word]
    (got,) = split_byte_words(tf.constant([text])).to_list()
    assert [unspell(word.decode()).decode() for word in got] == words
    assert words_of(text) == words


def test_every_character_is_what_unicode_says():
    characters = [
        c for c in map(chr, range(0x110000)) if unicodedata.category(c)[0] != "C"
    ]
    partners = {"letter": "a", "number": "1", "symbol": "!"}
    for kind, partner in partners.items():
        one_word = split_byte_words(tf.constant([partner + c for c in characters]))
        got = one_word.row_lengths().numpy() == 1
        wrong = [c for c, one in zip(characters, got) if one != (kind_of(c) == kind)]
        assert not wrong, (kind, [hex(ord(c)) for c in wrong])


def test_letters_and_numbers_that_the_regular_expressions_lack_are_known():
    new = [0x1C89, 0xA7DC, 0x105F3, 0x143FA, 0x2EBF0, 0x2EE5D, 0x1E5F0]
    words = split_byte_words(tf.constant([f"a{chr(c)}1\U00010d49" for c in new]))
    assert words.row_lengths().numpy().tolist() == [2] * len(new)


# Tokens


@pytest.mark.parametrize("merges", [LEARNED, SHUFFLED], ids=["learned", "shuffled"])
def test_words_become_what_their_best_pairs_merge_to(merges):
    texts = random_texts(800)
    got = make(merges, dtype="string")(texts).to_list()
    for text, tokens in zip(texts, got):
        assert [t.decode() for t in tokens] == tokens_of(text, merges), repr(text)
    lengths = {len(unspell(t.decode())) for row in got for t in row}
    assert len(lengths) > 3  # the corpus's longer tokens came up


def test_bytes_that_are_no_utf8_count_as_symbols():
    texts = random_bytes(500)
    for text, tokens in zip(texts, make(dtype="string")(texts).to_list()):
        wanted = tokens_of(text.decode("utf-8", "surrogateescape"))
        assert [t.decode() for t in tokens] == wanted, text


def test_no_byte_is_lost():
    texts = random_bytes(500) + [text.encode() for text in random_texts(300)]
    for settings in ({}, {"unsplittable_tokens": SPECIAL}):
        tokenizer = make(**settings)
        assert tokenizer.detokenize(tokenizer(texts)).numpy().tolist() == texts


@pytest.mark.parametrize("prefix", [False, True])
def test_whole_tokens_are_neither_cut_nor_merged(prefix):
    texts = [
        *random_texts(500),
        "é<mask>",
        "<m<mask>",
        "<mask><mask> a",
        " <s x>",
        "<m",
    ]
    tokenizer = make(
        dtype="string",
        add_prefix_space=prefix,
        unsplittable_tokens=SPECIAL[:2],
        special_tokens=SPECIAL[1:],
        special_tokens_in_strings=True,
    )
    for text, tokens in zip(texts, tokenizer(texts).to_list()):
        wanted = tokens_of(text, special=SPECIAL, prefix=prefix)
        assert [t.decode() for t in tokens] == wanted, repr(text)


def test_special_tokens_are_text_like_any_other_unless_asked_for():
    mask = make(special_tokens=["<mask>"])("<mask>")
    assert len(mask) > 1
    asked = make(special_tokens=["<mask>"], special_tokens_in_strings=True)("<mask>")
    assert asked.numpy().tolist() == [IDS["<mask>"]]


def test_a_whole_token_outside_the_alphabet_comes_back_as_it_was():
    tokenizer = BytePairTokenizer(
        {"a": 0, "Ġ": 1, "<é 中>": 2}, [], unsplittable_tokens=["<é 中>"]
    )
    ids = tokenizer("a <é 中>a")
    assert ids.numpy().tolist() == [0, 1, 2, 0]
    assert tokenizer.detokenize(ids).numpy().decode() == "a <é 中>a"


def test_a_prefix_space_makes_the_first_word_like_the_others():
    tokenizer = make(add_prefix_space=True, dtype="string")
    assert tokenizer("the").numpy().tolist() == tokenizer(" the").numpy().tolist()
    assert tokenizer("\nx").numpy()[0] == "Ġ".encode()
    assert tokenizer("").shape == [0]  # a text of nothing stays one


def test_ids_are_what_the_vocabulary_says():
    ids = make()(TEXTS).to_list()
    tokens = make(dtype="string")(TEXTS).to_list()
    assert [[IDS[t.decode()] for t in row] for row in tokens] == ids
    assert max(map(len, ids)) > 3


def test_a_byte_that_the_vocabulary_lacks_is_minus_one_and_stops_merges():
    vocabulary, merges = {"a": 5, "b": 0, "ab": 9}, ["a b"]
    tokenizer = BytePairTokenizer(vocabulary, merges)
    assert tokenizer("abéab").numpy().tolist() == [9, -1, -1, 9]
    tokens = BytePairTokenizer(vocabulary, merges, dtype="string")("aéb").numpy()
    assert [t.decode() for t in tokens] == ["a", "Ã", "©", "b"]
    assert BytePairTokenizer({"a": 0}, [])("aaa").numpy().tolist() == [0, 0, 0]


# Shapes


def test_a_length_cuts_long_rows_and_pads_short_ones():
    ragged, dense = make()(TEXTS).to_list(), make(sequence_length=3)(TEXTS)
    assert dense.dtype == tf.int32
    assert dense.numpy().tolist() == [(row + [0] * 3)[:3] for row in ragged]
    assert make(sequence_length=3, dtype="string")([""]).numpy().tolist() == [[b""] * 3]


def test_any_kind_of_string_input_does():
    wanted = make()(TEXTS).to_list()
    for same in (np.array(TEXTS), np.array(TEXTS, object), tf.constant(TEXTS)):
        assert make()(same).to_list() == wanted
    assert make()(TEXTS[0]).numpy().tolist() == wanted[0]
    assert make()([]).to_list() == []
    assert make()(np.array(TEXTS).reshape(2, 2)).to_list() == [wanted[:2], wanted[2:]]
    nested = tf.ragged.constant([TEXTS[:3], TEXTS[3:]])
    assert make()(nested).to_list() == [wanted[:3], wanted[3:]]
    dense = make(sequence_length=4)(nested)
    assert dense.shape == [2, 3, 4]  # the shorter row is padded, too


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint16"])
def test_ids_come_in_the_dtype_that_was_asked_for(dtype):
    assert make(dtype=dtype)(TEXTS).dtype == dtype


def test_ids_become_text_again_in_any_shape():
    tokenizer = make()
    ids = tokenizer(TEXTS)
    texts = [text.encode() for text in TEXTS]
    assert tokenizer.detokenize(ids).numpy().tolist() == texts
    assert tokenizer.detokenize(ids.to_list()).numpy().tolist() == texts
    assert tokenizer.detokenize(ids[0]).numpy() == texts[0]
    assert tokenizer.detokenize(IDS["Ġ"]).numpy() == b" "
    array = np.array([[IDS["a"], IDS["Ã"]], [IDS["Ġ"], IDS["a"]]])
    assert tokenizer.detokenize(array).numpy().tolist() == [b"a\xc3", b" a"]


def test_an_id_that_no_token_has_is_no_text():
    free = next(id for id in range(999) if id not in IDS.values())
    ids = [IDS["a"], free, -1, 10**6, IDS["a"]]
    assert make().detokenize(ids).numpy() == b"aa"


# Vocabulary


def test_files_give_what_a_dict_and_a_list_do(tmp_path):
    vocabulary, merges = tmp_path / "vocab.json", tmp_path / "merges.txt"
    lines = [" ".join(pair) for pair in LEARNED]
    wanted = make()(TEXTS).to_list()
    for ascii, start, end in (
        (True, "#version: 0.2\n", "\n"),
        (False, "", "\r\n"),
    ):
        vocabulary.write_text(json.dumps(IDS, ensure_ascii=ascii), encoding="utf-8")
        merges.write_bytes((start + end.join([*lines, ""])).encode())
        for paths in ((vocabulary, merges), (str(vocabulary), str(merges))):
            assert BytePairTokenizer(*paths)(TEXTS).to_list() == wanted
    with_version = BytePairTokenizer(IDS, ["#version: 0.2", *lines])
    assert with_version(TEXTS).to_list() == wanted


def test_tokens_and_ids_name_each_other():
    tokenizer = make()
    assert tokenizer.vocabulary_size() == len(IDS)
    assert tokenizer.get_vocabulary() == sorted(IDS, key=IDS.get)
    for token, id in IDS.items():
        assert tokenizer.token_to_id(token) == id
        assert tokenizer.id_to_token(id) == token
    with pytest.raises(ValueError, match=r"lie in \[\d+, \d+\]. Received: id=-1"):
        tokenizer.id_to_token(-1)
    with pytest.raises(ValueError, match="token='zebra'"):
        tokenizer.token_to_id("zebra")


def test_a_new_vocabulary_replaces_the_old():
    tokenizer = make()
    tokenizer.set_vocabulary_and_merges({"a": 1, "aa": 0}, ["a a"])
    assert tokenizer("aaa").numpy().tolist() == [0, 1]
    assert tokenizer.get_vocabulary() == ["aa", "a"]


@pytest.mark.parametrize(
    "vocabulary, merges, message",
    [
        ({"a": 0}, None, "come together. Received: merges=None"),
        (None, ["a b"], "come together. Received: vocabulary=None"),
        (["a"], [], "dict from tokens to ids.* Received: list"),
        ({}, [], "dict from tokens to ids.* Received: dict"),
        ({"a": 0, "b": 0}, [], "each id to one token. Received: .*'a'"),
        ({"a": -1}, [], "integers of at least 0. Received: 'a': -1"),
        ({"a": 2**31}, [], "hold every id. Received: dtype='int32', .* 2147483648"),
        ({"a": 0, "b": 1}, ["a b"], "Received: 'a b', without 'ab'"),
        ({"a": 0, "ab": 1}, ["a b"], "Received: 'a b', without 'b'"),
        ({"a": 0}, ["aa"], "with a space between. Received: 'aa'"),
        ({"a": 0}, [("a", "a")], "with a space between. Received: .'a', 'a'."),
        ({"a": 0}, {"a a": 0}, "list of strings.* Received: dict"),
        ("nowhere.json", [], "'nowhere.json', which does not exist"),
        ({"a": 0}, "nowhere.txt", "`merges` .*'nowhere.txt', which does not exist"),
    ],
)
def test_what_makes_no_vocabulary_is_refused(vocabulary, merges, message):
    with pytest.raises(ValueError, match=message):
        BytePairTokenizer(vocabulary, merges)


def test_bad_settings_are_refused(tmp_path):
    with pytest.raises(ValueError, match="dtype='float32'"):
        make(dtype="float32")
    with pytest.raises(ValueError, match="sequence_length=0"):
        make(sequence_length=0)
    with pytest.raises(ValueError, match="must be strings. Received: .* int32"):
        make()([1, 2])
    with pytest.raises(ValueError, match="must be in the vocabulary. Received: '<x>'"):
        make(unsplittable_tokens=["<x>"])
    make(special_tokens=["<x>"])  # nobody looks for it
    for tokens in ("<mask>", [""], [7], ["a\x1f"]):
        with pytest.raises(ValueError, match="`special_tokens` must be a list"):
            make(special_tokens=tokens)
    path = tmp_path / "vocab.json"
    path.write_text("{")
    with pytest.raises(ValueError, match="must be a JSON file"):
        BytePairTokenizer(path, [])


def test_without_a_vocabulary_an_error_says_to_set_one():
    tokenizer = BytePairTokenizer()
    for use in (lambda: tokenizer("a"), tokenizer.get_vocabulary):
        with pytest.raises(ValueError, match="set_vocabulary_and_merges"):
            use()


# Saving


def test_the_config_leaves_the_vocabulary_to_the_assets(tmp_path):
    tokenizer = make(
        SHUFFLED,
        sequence_length=5,
        add_prefix_space=True,
        unsplittable_tokens=["<m"],
        special_tokens=["<mask>"],
        special_tokens_in_strings=True,
    )
    config = tokenizer.get_config()
    copy = BytePairTokenizer.from_config(config)
    assert copy.get_config() == config
    assert config["vocabulary"] is config["merges"] is None
    tokenizer.save_assets(tmp_path)
    copy.load_assets(tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["merges.txt", "vocabulary.json"]
    texts = [*TEXTS, *SPECIAL]
    np.testing.assert_array_equal(copy(texts), tokenizer(texts))


@pytest.mark.parametrize("name", ["vocabulary", "merges"])
def test_a_config_cannot_name_a_file_to_read(name):
    config = {**make().get_config(), name: "secret.txt"}
    with pytest.raises(ValueError, match=rf"{name}='secret\.txt'"):
        BytePairTokenizer.from_config(config)


def test_strings_become_packed_ids_inside_one_model(tmp_path):
    settings = {"unsplittable_tokens": ["<mask>"]}
    texts = [*TEXTS, "a<mask>"]
    text = keras.Input((), dtype="string")
    model = keras.Model(text, StartEndPacker(6, 2)(make(**settings)(text)))
    wanted = [[2, *row, *[0] * 6][:6] for row in make(**settings)(texts).to_list()]
    assert model(tf.constant(texts)).numpy().tolist() == wanted
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded(tf.constant(texts)).numpy().tolist() == wanted
    with portable_ops():
        model.export(tmp_path / "export", verbose=False)
    assert served(tmp_path / "export", texts) == wanted


# More tokens


def test_added_tokens_stay_whole_and_get_the_next_ids(tmp_path):
    tokenizer = make(sequence_length=None)
    before = tokenizer.vocabulary_size()
    last = max(map(tokenizer.token_to_id, tokenizer.get_vocabulary()))
    texts = ["teapot, not a tea pot", "the <new>é"]
    assert tokenizer.add_tokens(["teapot", "<new>é", "teapot"]) == 2
    assert tokenizer.vocabulary_size() == before + 2
    assert tokenizer.token_to_id("teapot") == last + 1
    assert tokenizer.token_to_id("<new>é") == last + 2
    assert tokenizer(texts)[0, 0] == last + 1 and tokenizer(texts)[1, -1] == last + 2
    assert tokenizer.detokenize(tokenizer(texts)).numpy()[1].decode() == texts[1]
    assert tokenizer.add_tokens(["teapot"]) == 0
    copy = BytePairTokenizer.from_config(tokenizer.get_config())
    tokenizer.save_assets(tmp_path)
    copy.load_assets(tmp_path)
    assert copy(texts).to_list() == tokenizer(texts).to_list()


@pytest.mark.parametrize("token", ["\u00e9", "\u0120the"])
def test_a_token_that_spells_other_bytes_is_not_added(token):
    merges = ["t h", "th e", "\u0120 the"]
    made = ["th", "the", "\u0120the"]
    vocabulary = {t: i for i, t in enumerate([*ALPHABET, *made])}
    tokenizer = BytePairTokenizer(vocabulary, merges)
    with pytest.raises(ValueError, match="cannot also be the spelling of other bytes"):
        tokenizer.add_tokens(["fine", token])
    assert tokenizer.vocabulary_size() == len(vocabulary)
    assert tokenizer.unsplittable_tokens == []
    text = "\u9a6c the".encode()  # E9 is one of its bytes
    assert tokenizer.detokenize(tokenizer(text)).numpy() == text


def test_rows_are_padded_with_the_padding_token():
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    vocabulary = {t: i for i, t in enumerate([*special, *ALPHABET])}
    tokenizer = RobertaTokenizer(vocabulary, [], sequence_length=4)
    assert tokenizer("ab").numpy().tolist()[2:] == [1, 1]
    tokens, starts, _ = tokenizer.tokenize_with_offsets("ab")
    assert tokens.numpy().tolist()[2:] == [1, 1]
    assert starts.numpy().tolist() == [0, 1, 0, 0]


def test_rows_of_no_tokens_are_empty_texts():
    tokenizer = make()
    for ids, wanted in (
        (tf.zeros([2, 0], tf.int32), [b"", b""]),
        (tf.zeros([0, 3]), []),
    ):
        assert tokenizer.detokenize(ids).numpy().tolist() == wanted


def test_added_special_tokens_are_looked_for_where_special_tokens_are():
    found = make(special_tokens_in_strings=True)
    passed_over = make()
    for tokenizer in (found, passed_over):
        tokenizer.add_tokens(["<new>"], special=True)
    new = found.token_to_id("<new>")
    assert new in found("the<new>") and new not in passed_over("the<new>")
