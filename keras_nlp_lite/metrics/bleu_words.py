"""How BLEU takes a text apart: rules that its scores depend on, and that are a standard."""

import re
import string

_ENTITIES = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))

_RULES = [
    # Every ASCII sign is a word, but for these four.
    ("([" + re.escape("".join(set(string.punctuation) - set("',-."))) + "])", r" \1 "),
    # A point or a comma is one unless it stands between digits, ...
    (r"([^0-9])([.,])", r"\1 \2 "),
    (r"([.,])([^0-9])", r" \1 \2"),
    # ... and a dash if it follows a digit; elsewhere it holds a word together.
    (r"([0-9])(-)", r"\1 \2 "),
]
_RULES = [(re.compile(pattern), spaced) for pattern, spaced in _RULES]
_ASCII_SPACE = re.compile(r"[ \t\n\v\f\r]+")


def words_13a(text):
    """The words of NIST's mteval-v13a, as sacrebleu has them by default.

    Args:
        text: str.

    Returns:
        list of str.

    Example:

    >>> words_13a("Don't pay $1,000.50 for well-known films.")
    ["Don't", 'pay', '$', '1,000.50', 'for', 'well-known', 'films', '.']
    """
    return _spaced(f" {_without_markup(text.rstrip())} ").split()


def words_like_keras_hub(text):
    """Those of `words_13a`, but for the edges of the text and for unusual spaces.

    A point or comma that begins the text, or ends it after a digit, is no word of its
    own, and only ASCII white space parts words.

    Example:

    >>> words_like_keras_hub("She is 5."), words_13a("She is 5.")
    (['She', 'is', '5.'], ['She', 'is', '5', '.'])
    """
    words = _ASCII_SPACE.split(_spaced(_without_markup(text)))
    return [word for word in words if word]


def characters(text):
    """The characters that are no white space, list of str."""
    return list("".join(text.split()))


def _without_markup(text):
    text = text.replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for entity, sign in _ENTITIES:
        text = text.replace(entity, sign)
    return text


def _spaced(text):
    for rule, spaced in _RULES:
        text = rule.sub(spaced, text)
    return text
