"""What BERT makes of each character before it looks for words and pieces."""

import functools
import unicodedata

import tensorflow as tf

from keras_nlp_lite.tokenizers.bert_character_classes import (
    ACCENTS,
    IDEOGRAPHS,
    LATER_LOWERCASE,
    PUNCTUATION,
    REMOVED,
    SPACES,
    WHOLE,
)
from keras_nlp_lite.tokenizers.character_map import CharacterMap
from keras_nlp_lite.tokenizers.strings import on_cpu

# Where the characters lie that have a case, accents or another form: in the first two
# planes, in a block of ideographs, and far out.
_LETTERS = (
    *range(0xD800), *range(0xE000, 0x20000), *range(0x2F800, 0x2FA20),
    *range(0xE0100, 0xE01F0),
)  # fmt: skip


@functools.cache
def bert_characters(lowercase, strip_accents, split=True, split_on_cjk=True):
    """BERT's normalization as a map of characters, made once a process.

    Args:
        lowercase: Whether to lowercase, each character by itself: a sigma that ends a
            word becomes the same as one within.
        strip_accents: Whether to decompose characters (NFD) and remove accents.
        split: Whether to remove control characters, and to set spaces around what is a
            word of its own, so that words are what lies between spaces.
        split_on_cjk: Whether an ideograph is a word of its own.

    Returns:
        A CharacterMap.

    Example:

    >>> bert_characters(True, True)(tf.constant(["Añb\\t(大)"])).numpy()[0].decode()
    'anb  (  大  ) '
    """
    own_words = PUNCTUATION | IDEOGRAPHS if split_on_cjk else PUNCTUATION
    characters = {}
    if split and split_on_cjk:
        characters = {code: f" {chr(code)} " for code in IDEOGRAPHS}
    for code in _LETTERS:
        new = old = chr(code)
        if strip_accents and code not in WHOLE:
            new = unicodedata.normalize("NFD", old)
            new = "".join(c for c in new if ord(c) not in ACCENTS)
        if lowercase:
            new = "".join(LATER_LOWERCASE.get(ord(c)) or c.lower() for c in new)
        # An accent's letter may be a punctuation mark: "=" in "\u2260".
        if split and (code in own_words or any(ord(c) in PUNCTUATION for c in new)):
            new = f" {new} "
        if new != old:
            characters[code] = new
    if split:
        characters |= dict.fromkeys(REMOVED, "") | dict.fromkeys(SPACES, " ")
    # A constant must not belong to a graph that is being traced.
    with tf.init_scope(), on_cpu():
        return CharacterMap(characters, keep_invalid=not split)
