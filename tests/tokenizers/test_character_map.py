"""Characters replaced in the graph against `str.translate`."""

import random

import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.tokenizers.character_map import CharacterMap

# Both ends of what one, two, three and four bytes hold, and neighbours in a page.
EDGES = [0, 1, 0x7F, 0x80, 0xBF, 0xC0, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF, 0x10000]
CODES = [*EDGES, 0x10FFFF, *range(0x3040, 0x3080), *map(ord, "abcß中한"), 0x2FA1D]


def random_map(rng, count):
    strings = ["", " ", "x", "ab", "中", "\0", "é" * 31, "\U0001f600!"]
    codes = [rng.choice(CODES) for _ in range(count)]
    codes += [rng.randrange(0xD800) for _ in range(count)]
    return {code: rng.choice(strings) for code in codes}


def random_text(rng):
    return "".join(chr(rng.choice(CODES)) for _ in range(rng.randint(0, 20)))


@pytest.mark.parametrize("count", [0, 1, 5, 3000])
def test_each_character_becomes_its_string_and_the_others_stay(count):
    rng = random.Random(count)
    characters = random_map(rng, count)
    texts = [random_text(rng) for _ in range(500)] + [chr(code) for code in characters]
    new = CharacterMap(characters)(tf.constant([text.encode() for text in texts]))
    for text, found in zip(texts, new.numpy()):
        assert found.decode() == text.translate(characters), ascii(text)


def test_each_byte_knows_the_character_that_it_comes_from():
    rng = random.Random(7)
    characters = random_map(rng, 20)
    replace = CharacterMap(characters)
    texts = [random_text(rng) for _ in range(300)]
    new, sources = replace.with_offsets(tf.constant([text.encode() for text in texts]))
    assert new.numpy().tolist() == [
        text.translate(characters).encode() for text in texts
    ]
    for text, found in zip(texts, sources.to_list()):
        wanted, at = [], 0
        for c in text:
            size, string = len(c.encode()), characters.get(ord(c))
            if string is None or string == c:
                wanted += range(at, at + size)
            else:
                wanted += [at] * len(string.encode())
            at += size
        assert found in ([*wanted, at], list(range(at + 1)))
        assert len(found) == len(wanted) + 1


def test_bytes_that_are_no_utf8_are_removed_or_stay():
    rng = random.Random(3)
    texts = [random_text(rng).encode() for _ in range(1000)]
    texts = [t[rng.randint(0, 3) : len(t) - rng.randint(0, 3)] for t in texts]
    texts += [bytes(rng.choices(range(0x70, 0x100), k=12)) for _ in range(1000)]
    texts += [bytes([byte]) for byte in range(256)]
    texts += [
        b"a\xed\xa0\x80b",
        b"\xf4\x90\x80\x80",
        b"\xc0\xaf",
        b"\xf0\x9f\x98 \xe2\x82",
    ]
    removed = CharacterMap({ord("p"): "q"}, keep_invalid=False)(tf.constant(texts))
    for text, found in zip(texts, removed.numpy()):
        assert found == text.decode("utf-8", "ignore").replace("p", "q").encode(), text
    stayed = CharacterMap({ord("p"): "q"})(tf.constant(texts))
    assert stayed.numpy().tolist() == [text.replace(b"p", b"q") for text in texts]


def test_what_a_character_becomes_has_at_most_63_bytes():
    x = tf.constant(["a"])
    assert CharacterMap({ord("a"): "x" * 63})(x).numpy()[0] == b"x" * 63
    with pytest.raises(ValueError, match="63 bytes. Received: 'é+', of 64"):
        CharacterMap({ord("a"): "é" * 32})


def test_no_strings_and_empty_ones_do():
    replace = CharacterMap({0: "zero"})
    assert replace(tf.zeros([0], tf.string)).shape == [0]
    new, sources = replace.with_offsets(tf.constant(["", "\0"]))
    assert new.numpy().tolist() == [b"", b"zero"]
    np.testing.assert_array_equal(sources.flat_values, [0, 0, 0, 0, 0, 1])
