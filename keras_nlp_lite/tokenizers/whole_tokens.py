"""Cutting text at tokens that stay whole, exactly, whatever bytes it is made of."""

import re

import tensorflow as tf

WHITE_SPACE = r"[\t-\r\x{85}\p{Z}]"  # Unicode's White_Space; RE2's \s is ASCII's

# What is cut at must not stand in the text: there, each first mark gets the second
# behind it, so that two first ones in a row are left for cutting.
_MARK, _BEHIND = "\x1f", "\x1e"  # ASCII's "unit separator" and "record separator"


def check_whole_tokens(name, tokens):
    """Tokens as a list; refuses what cannot be looked for in a text.

    Args:
        name: The argument's name, as its caller writes it.
        tokens: A list of str, or None.

    Returns:
        list of str; empty for None.

    Raises:
        ValueError: no list of strings; one is empty, or has a separator (U+001E or
            U+001F) in it.
    """
    tokens = [] if tokens is None else tokens
    if not isinstance(tokens, (list, tuple)) or not all(
        isinstance(token, str) and token and not {_MARK, _BEHIND} & set(token)
        for token in tokens
    ):
        raise ValueError(
            f"`{name}` must be a list of strings, none of them empty or with U+001E or "
            f"U+001F in it. Received: {name}={tokens!r}."
        )
    return [str(token) for token in tokens]


def split_off(text, tokens):
    """Cuts text before and behind every token that stands in it.

    Args:
        text: string [N].
        tokens: Strings that `check_whole_tokens` lets pass. Where two fit, the one
            that starts first counts, and of these the longest.

    Returns:
        Ragged string [N, None]; some of them may be empty.

    Example:

    >>> split_off(tf.constant(["a <s>b", "<s>"]), ["<s>"]).to_list()
    [[b'a ', b'<s>', b'b'], [b'', b'<s>', b'']]
    """
    longest_first = sorted(tokens, key=len, reverse=True)
    return cut_around(text, "|".join(map(re.escape, longest_first)))


def cut_around(text, pattern):
    """Cuts text before and behind every match, and loses no byte.

    (The ops that need no marks, `regex_split` and its kind, lose what follows a NUL.)

    Args:
        text: string [N].
        pattern: A regular expression of RE2. It sees U+001E behind each U+001F, and
            takes both or neither.

    Returns:
        Ragged string [N, None]: what is between matches, maybe "", and they, by turns.
    """
    cut = _MARK * 2
    text = tf.strings.regex_replace(text, _MARK, _MARK + _BEHIND)
    text = tf.strings.regex_replace(text, pattern, rf"{cut}\0{cut}")
    return tf.strings.regex_replace(tf.strings.split(text, cut), _MARK + _BEHIND, _MARK)
