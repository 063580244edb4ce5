"""Word pieces are those of Hugging Face's Rust `tokenizers`: ids, places and words.

Runs where `tokenizers` is installed: pip install -e ".[test,peers]".
"""

import itertools
import random
import unicodedata

import pytest
import tensorflow as tf

from keras_nlp_lite.tokenizers import WordPieceTokenizer
from keras_nlp_lite.tokenizers.bert_characters import bert_characters
from keras_nlp_lite.tokenizers.word_splitting import split_words

tokenizers = pytest.importorskip("tokenizers")

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = [
    *map(chr, range(33, 127)), *"éßñåœ£½…—“”¿", *"абвйёαβσςίאבשעלم", "\u0627", "ب",
    *"中文日本語ひらがなカナ", "ᄒ", "ᅡ", "ᆫ", "ᄀ", "ก", "ี", "\u0301", "\u0307", "\u0323",
    "👩", "👧", "\U00020000", "\u2028", "ﬁ", "ǆ", "\u0131",
]  # fmt: skip
WORDS = [
    "the", "of", "movie", "film", "un", "able", "ing", "ed", "ly", "movies", "isn", "10",
]  # fmt: skip
VOCABULARY = list(
    dict.fromkeys(
        [*SPECIAL, *LETTERS, *("##" + c for c in LETTERS), *WORDS]
        + ["##" + word for word in WORDS]
    )
)
REVIEWS = [
    "This movie isn't great -- it's <br /><br />unwatchable!! 10/10 for Amélie's café.",
    "Don't\x85 I\x92d say \x93NO\x94; £5, ½ price: “quoted” naïveté & rock'n'roll…",
    "Über-film (1980's): C'était génial — ¿qué? Å, ø, Œuvre ß STRASSE straße Ǆ",
]
ODD = [
    "\0", "\ufffd", "\u00ad", "\u200b", "\u200d", "\ufe0f", "\x85", "\t", "\n", "\r\n",
    "\u3000", "\u2028", "\u180e", "\xa0", "\u0301", "\u0323\u0301", "e\u0301", "İ", "Σ", "ς",
    "ﬁ", "½", "≠", "\u1e69", "ΐ", "한국", "\U00020000", "\U0002b820", "\u061d", "\u2e43",
    "\uffff", "👩\u200d👧", "שָׁלוֹם", "مُ", "\u202e", "\ue000", "[MASK]", "[mask]", "[CLS]",
    "a" * 100, "a" * 101, "é" * 51, "\u0627" * 120, "Ǆ", "\u0131", "\U00016ea0",
]  # fmt: skip
SETTINGS = list(itertools.product([False, True], repeat=3))


def theirs(lowercase, strip_accents, split_on_cjk):
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordPiece(
            {token: i for i, token in enumerate(VOCABULARY)},
            unk_token="[UNK]",
            max_input_chars_per_word=100,
        )
    )
    tokenizer.normalizer = tokenizers.normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=split_on_cjk,
        strip_accents=strip_accents,
        lowercase=lowercase,
    )
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(SPECIAL)
    return tokenizer


def ours(lowercase, strip_accents, split_on_cjk):
    return WordPieceTokenizer(
        VOCABULARY,
        lowercase=lowercase,
        strip_accents=strip_accents,
        split_on_cjk=split_on_cjk,
        special_tokens=SPECIAL,
        special_tokens_in_strings=True,
    )


def random_texts(count):
    rng = random.Random(0)
    texts = []
    for _ in range(count):
        parts = rng.choices(
            LETTERS + WORDS + [" "] * 60 + ODD * 2, k=rng.randint(0, 25)
        )
        for _ in range(rng.randint(0, 4)):
            highest = rng.choice([0x300, 0x3000, 0xD800, 0x20000, 0x110000])
            code = rng.randrange(highest)
            parts.insert(rng.randint(0, len(parts)), chr(code))
        texts.append("".join(c for c in "".join(parts) if not "\ud800" <= c < "\ue000"))
    return [*REVIEWS, *texts, "", " \n"]


@pytest.mark.parametrize("settings", SETTINGS)
def test_tokens_their_places_and_their_words_are_theirs(settings):
    texts = random_texts(800)
    tokenizer, inputs = ours(*settings), tf.constant([text.encode() for text in texts])
    ids, starts, ends = (x.to_list() for x in tokenizer.tokenize_with_offsets(inputs))
    assert tokenizer(inputs).to_list() == ids
    words = tokenizer.word_ids(inputs).to_list()
    wanted = theirs(*settings).encode_batch(texts, add_special_tokens=False)
    for text, want, *found in zip(texts, wanted, ids, starts, ends, words):
        sizes = [len(character.encode()) for character in text]
        at = [0, *itertools.accumulate(sizes)]  # theirs count characters
        places = [[at[place] for place in places] for places in zip(*want.offsets)]
        assert found == [want.ids, *(places or [[], []]), want.word_ids], ascii(text)


def test_bytes_that_are_no_utf8_count_as_the_replacement_character():
    rng = random.Random(1)
    texts = []
    for text in random_texts(800):
        text = bytearray(text.encode())
        for _ in range(rng.randint(0, 5) if text else 0):
            text[rng.randrange(len(text))] = rng.randrange(256)
        texts.append(bytes(text))
    settings = (True, True, True)
    wanted = theirs(*settings).encode_batch(
        [text.decode("utf-8", "replace") for text in texts], add_special_tokens=False
    )
    found = ours(*settings)(tf.constant(texts)).to_list()
    for text, want, ids in zip(texts, wanted, found):
        assert ids == want.ids, text


@pytest.mark.parametrize("lowercase,strip_accents", [s[:2] for s in SETTINGS[::2]])
def test_every_character_is_normalized_and_split_as_theirs(lowercase, strip_accents):
    codes = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    texts = [
        "a".join(map(chr, codes[i : i + 500])) for i in range(0, len(codes), 500)
    ]  # each between letters: marks in a row can change places
    tokenizer = theirs(lowercase, strip_accents, True)
    words = split_words(
        tf.constant([text.encode() for text in texts]), True, lowercase, strip_accents
    )
    for text, found in zip(texts, words.to_list()):
        normal = tokenizer.normalizer.normalize_str(text)
        wanted = tokenizer.pre_tokenizer.pre_tokenize_str(normal)
        assert [word.decode() for word in found] == [word for word, _ in wanted]


def test_marks_that_are_kept_though_accents_go_keep_their_order_here_and_not_there():
    """The one difference that is left, as `WordPieceTokenizer` says."""
    normalize = bert_characters(False, True)
    marks = [c for c in map(chr, range(0x20000)) if unicodedata.combining(c)]
    kept = tf.strings.strip(normalize(tf.constant(marks))).numpy()
    marks = [c for c, found in zip(marks, kept) if found.decode() == c]
    assert len(marks) > 100
    rng = random.Random(2)
    pairs = [rng.choice(marks) + rng.choice(marks) for _ in range(3000)]
    strip = theirs(False, True, True).normalizer.normalize_str
    found = [
        x.decode() for x in normalize(tf.constant(["a" + p for p in pairs])).numpy()
    ]
    assert found == ["a" + pair for pair in pairs]
    moved = 0
    for pair in pairs:
        first, second = map(unicodedata.combining, pair)
        if strip("a" + pair) != "a" + pair:
            moved += 1
            assert first > second and strip("a" + pair) == "a" + pair[::-1]
    assert moved > 100
