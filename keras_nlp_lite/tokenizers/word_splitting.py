"""Text to words, the way BERT cuts it before its word pieces, as TensorFlow ops."""

import re

import tensorflow as tf

# Character classes of RE2. Symbols such as "$" and "^" are no punctuation to Unicode,
# but BERT takes all ASCII that is neither letter nor digit for it.
_BLANK = r"\s\p{Cc}\p{Cf}"
_PUNCTUATION = r"!-/:-@\[-`{-~\p{P}"
_CJK = (
    r"\x{4E00}-\x{9FFF}\x{3400}-\x{4DBF}\x{20000}-\x{2A6DF}\x{2A700}-\x{2B73F}"
    r"\x{2B740}-\x{2B81F}\x{2B820}-\x{2CEAF}\x{F900}-\x{FAFF}\x{2F800}-\x{2FA1F}"
)


def strip_accent_marks(text):
    """Removes accents: NFD, without its combining marks. Shape and kind stay."""
    import tensorflow_text

    return tf.strings.regex_replace(
        tensorflow_text.normalize_utf8(text, "NFD"), r"\p{Mn}+", ""
    )


def fold_case(text, special_tokens=()):
    """Lowercases, by Unicode's NFKC_Casefold, all but the special tokens.

    Args:
        text: string, Tensor or RaggedTensor of any shape.
        special_tokens: Strings that stay as they are when they stand alone.

    Returns:
        string, of the same shape.
    """
    import tensorflow_text

    folded = tensorflow_text.case_fold_utf8(text)
    if not special_tokens:
        return folded
    special = tf.strings.regex_full_match(text, _any_of(special_tokens))
    return tf.where(special, text, folded)


def split_words(text, split_on_cjk=True, special_tokens=()):
    """Cuts text at white space and control characters, and around punctuation.

    Args:
        text: string [N].
        split_on_cjk: Whether each ideograph is a word.
        special_tokens: Strings that stay whole, whatever they are made of.

    Returns:
        Ragged string [N, None]. Every punctuation mark is a word of its own.

    Example:

    >>> split_words(tf.constant(["It's 5$!", ""])).to_list()
    [[b'It', b"'", b's', b'5', b'$', b'!'], []]
    >>> split_words(tf.constant(["[CLS]Hi"]), special_tokens=["[CLS]"]).to_list()
    [[b'[CLS]', b'Hi']]
    """
    own_words = f"[{_PUNCTUATION}{_CJK if split_on_cjk else ''}]"
    if special_tokens:
        import tensorflow_text

        special = _any_of(special_tokens)
        return tensorflow_text.regex_split(
            text,
            delim_regex_pattern=f"{special}|[{_BLANK}]|{own_words}",
            keep_delim_regex_pattern=f"{special}|{own_words}",
        )
    # The same words in two thirds of the time: set apart what is a word by itself,
    # then cut at white space, which needs no regular expression.
    text = tf.strings.regex_replace(text, own_words, r" \0 ")
    text = tf.strings.regex_replace(text, r"[\p{Cc}\p{Cf}]+", " ")
    return tf.strings.split(text)


def _any_of(strings):
    """A pattern that matches each string; of two that both fit, the longer."""
    longest_first = sorted(strings, key=len, reverse=True)
    return "|".join(map(re.escape, longest_first))
