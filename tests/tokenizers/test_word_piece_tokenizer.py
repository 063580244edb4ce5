"""WordPiece against greedy matching written out, and everything around it."""

import random
import unicodedata

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.layers.start_end_packer import StartEndPacker
from keras_nlp_lite.tokenizers import Tokenizer, WordPieceTokenizer

LETTERS = "abetsABETS"
VOCABULARY = [
    "[PAD]", "[UNK]", "[CLS]", "<s x>", *LETTERS, *("##" + c for c in LETTERS),
    "the", "tea", "##es", "##e's", "é", "ss", "##ss", "中", "文", "日本", "##日", "한국",
    ".", ",", "!", "$", "^", "'", "—", "[", "]", "tm", "##tm", "##\u0301", "i", "##i",
]  # fmt: skip
TEXTS = ["The tea.", "", "bets,  A B", "?"]


def make(**settings):
    return WordPieceTokenizer(VOCABULARY, **settings)


# A second, slower formula: one character, then one piece, after the other.


def words_of(text, lowercase, strip_accents, split_on_cjk, special_tokens):
    words, between = [], ""
    while text:
        special = next((s for s in special_tokens if text.startswith(s)), None)
        if special:
            words += words_between(between, lowercase, strip_accents, split_on_cjk)
            words, between = [*words, special], ""
        else:
            between += text[0]
        text = text[len(special or text[0]) :]
    return words + words_between(between, lowercase, strip_accents, split_on_cjk)


def words_between(text, lowercase, strip_accents, split_on_cjk):
    text = "".join(c for c in text if c in "\t\n\r" or not is_left_out(c))
    if split_on_cjk:
        text = "".join(f" {c} " if is_ideograph(c) else c for c in text)
    if strip_accents:
        text = unicodedata.normalize("NFD", text)
        text = "".join(c for c in text if unicodedata.category(c) != "Mn")
    if lowercase:
        text = "".join(c.lower() for c in text)
    return "".join(f" {c} " if is_punctuation(c) else c for c in text).split()


def is_left_out(c):
    return unicodedata.category(c) in ("Cc", "Cf", "Co") or c == "\ufffd"


def is_ideograph(c):
    return 0x3400 <= ord(c) <= 0x9FFF or 0x20000 <= ord(c) <= 0x2A6DF


def is_punctuation(c):
    symbol = c.isascii() and c.isprintable() and not c.isalnum() and c != " "
    return symbol or unicodedata.category(c)[0] == "P"


def pieces_of(word):
    if len(word) > 100:
        return ["[UNK]"]
    pieces, at = [], 0
    while at < len(word):
        prefix = "##" if at else ""
        ends = range(len(word), at, -1)
        end = next((e for e in ends if prefix + word[at:e] in VOCABULARY), None)
        if end is None:
            return ["[UNK]"]
        pieces.append(prefix + word[at:end])
        at = end
    return pieces


def random_texts(count):
    rng = random.Random(0)
    characters = list(LETTERS * 3 + "    .,!$^'[]?") + [
        "é", "ß", "ü", "™", "—", "…", "中", "文", "日", "本", "한국", "\U00020000",
        "\u0301", "\u00ad", "\u0085", "\u200b", "\t", "\n", "the", "tea", "tes", "İ", "ﬁ",
        "\0", "\ufffd", "\ue000", "\u3000", "\u2028", "≠", "Σ", "ß", "e\u0323\u0301",
    ]  # fmt: skip
    texts = [
        "".join(rng.choices(characters, k=rng.randint(0, 25))) for _ in range(count)
    ]
    long = [letter * n for letter in "aé中" for n in (33, 34, 50, 51, 100, 101, 450)]
    return [*texts, *long, "", " \n", "[CLS] the<s x>tea [cls]", "[CLS][CLS]"]


@pytest.mark.parametrize("lowercase", [False, True])
@pytest.mark.parametrize("strip_accents", [False, True])
@pytest.mark.parametrize("split_on_cjk", [False, True])
@pytest.mark.parametrize("special_tokens", [[], ["[CLS]", "<s x>"]])
def test_text_becomes_the_longest_pieces_that_fit(
    lowercase, strip_accents, split_on_cjk, special_tokens
):
    tokenizer = make(
        lowercase=lowercase,
        strip_accents=strip_accents,
        split_on_cjk=split_on_cjk,
        special_tokens=special_tokens,
        special_tokens_in_strings=True,
        dtype="string",
    )
    texts = random_texts(400)
    for text, tokens in zip(texts, tokenizer(texts).to_list()):
        words = words_of(text, lowercase, strip_accents, split_on_cjk, special_tokens)
        wanted = [piece for word in words for piece in pieces_of(word)]
        assert [token.decode() for token in tokens] == wanted, repr(text)


def test_ids_are_places_in_the_vocabulary():
    ids = make()(TEXTS).to_list()
    tokens = make(dtype="string")(TEXTS).to_list()
    assert [[VOCABULARY.index(t.decode()) for t in row] for row in tokens] == ids
    assert max(map(len, ids)) > 3


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
    assert make()(np.array(TEXTS).reshape(2, 2)).to_list() == [wanted[:2], wanted[2:]]
    nested = tf.ragged.constant([TEXTS[:3], TEXTS[3:]])
    assert make()(nested).to_list() == [wanted[:3], wanted[3:]]
    dense = make(sequence_length=4)(nested)
    assert dense.shape == [2, 3, 4]  # the shorter row is padded, too


def test_words_that_are_split_already_join_to_rows():
    tokenizer = make(split=False, lowercase=True)
    one = tokenizer(["the", "tea tes", "BETS"]).numpy().tolist()
    assert one == [
        VOCABULARY.index(t) for t in ("the", "[UNK]", "b", "##e", "##t", "##s")
    ]
    batch = tokenizer(tf.ragged.constant([["the", "tea tes", "BETS"], [], ["a"]]))
    assert batch.to_list() == [one, [], [VOCABULARY.index("a")]]
    assert tokenizer("the").numpy().tolist() == [VOCABULARY.index("the")]
    assert make(split=False, sequence_length=2)([["the", "a", "b"]]).shape == [1, 2]


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint16"])
def test_ids_come_in_the_dtype_that_was_asked_for(dtype):
    assert make(dtype=dtype)(TEXTS).dtype == dtype


# Back to text


def test_detokenize_joins_pieces_to_words():
    tokenizer = make()
    assert tokenizer.detokenize(tokenizer("the bets tes")).numpy() == b"the bets tes"
    batch = tokenizer.detokenize(tokenizer(["a tea", "", "Bets ."]))
    assert batch.numpy().tolist() == [b"a tea", b"", b"Bets ."]
    ids = [VOCABULARY.index(t) for t in ("b", "##e", "a")]
    assert tokenizer.detokenize([ids, ids[2:]]).numpy().tolist() == [b"be a", b"a"]
    assert tokenizer.detokenize(np.array([ids, ids])).numpy().tolist() == [b"be a"] * 2


@pytest.mark.parametrize("id", [-1, len(VOCABULARY)])
def test_an_id_outside_the_vocabulary_is_an_error_and_no_crash(id):
    tokenizer = make()
    for detokenize in (tokenizer.detokenize, tf.function(tokenizer.detokenize)):
        with pytest.raises(tf.errors.InvalidArgumentError):
            detokenize(tf.constant([[0, id]]))


# Vocabulary


def test_a_vocabulary_file_is_a_token_a_line(tmp_path):
    path = tmp_path / "vocabulary.txt"
    tokens = [*VOCABULARY, "x\u0085y", "z\u2028"]  # line breaks to Python, not here
    for newline in ("\n", "\r\n"):
        path.write_bytes((newline.join(tokens) + newline).encode())
        assert WordPieceTokenizer(str(path)).get_vocabulary() == tokens
        assert WordPieceTokenizer(path).get_vocabulary() == tokens


def test_tokens_and_ids_name_each_other():
    tokenizer = make()
    assert tokenizer.vocabulary_size() == len(VOCABULARY)
    for id, token in enumerate(VOCABULARY):
        assert tokenizer.token_to_id(token) == id
        assert tokenizer.id_to_token(id) == token
    with pytest.raises(ValueError, match=r"range \[0, \d+\]. Received: id=-1"):
        tokenizer.id_to_token(-1)
    with pytest.raises(ValueError, match="token='zebra'"):
        tokenizer.token_to_id("zebra")


def test_a_new_vocabulary_replaces_the_old():
    tokenizer = make()
    tokenizer.set_vocabulary(["[UNK]", "zebra"])
    assert tokenizer("the zebra").numpy().tolist() == [0, 1]
    assert tokenizer.get_vocabulary() == ["[UNK]", "zebra"]


def test_what_makes_no_vocabulary_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"oov_token='\[UNK\]'. Received: 2 tokens"):
        WordPieceTokenizer(["a", "b"])
    with pytest.raises(ValueError, match="more than once: 'a', 'b'"):
        WordPieceTokenizer(["[UNK]", "a", "b", "a", "b"])
    with pytest.raises(ValueError, match=r"pieces beside '\[UNK\]'.* Received: '\[UNK"):
        WordPieceTokenizer(["[UNK]"])
    with pytest.raises(ValueError, match="strings and nothing else. Received: 7"):
        WordPieceTokenizer(["[UNK]", 7])
    with pytest.raises(ValueError, match="does not exist"):
        WordPieceTokenizer(tmp_path / "nowhere.txt")
    WordPieceTokenizer(["a", "b"], oov_token="a")


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="dtype='float32'"):
        make(dtype="float32")
    with pytest.raises(ValueError, match="oov_token=None"):
        make(oov_token=None)
    with pytest.raises(ValueError, match="sequence_length=0"):
        make(sequence_length=0)
    with pytest.raises(ValueError, match="must be strings. Received: .* int32"):
        make()([1, 2])


def test_without_a_vocabulary_an_error_says_to_set_one():
    tokenizer = WordPieceTokenizer()
    for use in (lambda: tokenizer("a"), tokenizer.get_vocabulary):
        with pytest.raises(ValueError, match="set_vocabulary"):
            use()


# Saving


def test_the_config_leaves_the_vocabulary_to_the_assets(tmp_path):
    tokenizer = make(sequence_length=5, split_on_cjk=False, special_tokens=["[CLS]"])
    config = tokenizer.get_config()
    copy = WordPieceTokenizer.from_config(config)
    assert copy.get_config() == config
    assert config["vocabulary"] is None
    tokenizer.save_assets(tmp_path)
    copy.load_assets(tmp_path)
    assert copy.get_vocabulary() == VOCABULARY
    assert [path.name for path in tmp_path.iterdir()] == ["vocabulary.txt"]


def test_a_config_cannot_name_a_file_to_read(tmp_path):
    path = tmp_path / "secret.txt"
    path.write_text("[UNK]\nsecret\n")
    config = {**make().get_config(), "vocabulary": str(path)}
    with pytest.raises(ValueError, match=r"secret\.txt"):
        WordPieceTokenizer.from_config(config)


def test_strings_become_packed_ids_inside_one_model(tmp_path):
    text = keras.Input((), dtype="string")
    ids = make(lowercase=True)(text)
    model = keras.Model(text, StartEndPacker(6, 2, pad_value=0)(ids))
    inputs = tf.constant(TEXTS)
    wanted = [
        [2, *row, 0, 0, 0, 0, 0][:6] for row in make(lowercase=True)(TEXTS).to_list()
    ]
    assert model(inputs).numpy().tolist() == wanted
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded(inputs).numpy().tolist() == wanted
    model.export(tmp_path / "export", verbose=False)
    served = tf.saved_model.load(tmp_path / "export")
    assert served.serve(inputs).numpy().tolist() == wanted


def test_a_tokenizer_says_what_it_does_not_define():
    class Spaces(Tokenizer):
        def tokenize(self, inputs):
            return tf.strings.split(inputs)

    spaces = Spaces(dtype="string")
    assert spaces(["a b", "c"]).to_list() == [[b"a", b"b"], [b"c"]]
    for use in (
        lambda: spaces.detokenize([1]),
        spaces.get_vocabulary,
        spaces.vocabulary_size,
        lambda: spaces.id_to_token(0),
        lambda: spaces.token_to_id("a"),
        lambda: Tokenizer().tokenize("a"),
    ):
        with pytest.raises(NotImplementedError, match="A subclass may define it"):
            use()


def test_ids_are_places_in_a_list_and_not_in_a_dict():
    with pytest.raises(ValueError, match="Received: a dict"):
        WordPieceTokenizer({"a": 1, "[UNK]": 0})


# More tokens


def test_added_tokens_get_the_next_ids_and_are_not_cut():
    vocabulary = ["[UNK]", "[CLS]", "co", "##vid", "##s", "the"]
    tokenizer = WordPieceTokenizer(vocabulary, special_tokens_in_strings=True)
    assert tokenizer("the covid").numpy().tolist() == [5, 2, 3]
    assert tokenizer.add_tokens(["covid", "the", "covid"]) == 1
    assert tokenizer("the covid covids").numpy().tolist() == [5, 6, 6, 4]
    assert tokenizer.add_tokens(["<new>"], special=True) == 1
    assert tokenizer("the<new>covid").numpy().tolist() == [5, 7, 6]
    assert tokenizer.get_vocabulary() == [*vocabulary, "covid", "<new>"]
    assert tokenizer.get_config()["special_tokens"] == ["<new>"]
