"""Texts as words, and words as tokens of which each word's first can be found again."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_nlp_lite.tokenizers.strings import as_strings
from keras_nlp_lite.tokenizers.word_splitting import split_words


class WordTokens(NamedTuple):
    """A batch of texts as tokens, one text after the other.

    Shapes: B texts, W words, different in each text, N tokens of all texts.
    """

    ids: tf.Tensor  # int32 [N]
    row_splits: tf.Tensor  # int64 [B + 1], where each text starts in `ids`
    words: tf.RaggedTensor  # int64 [B, W], where in its text each word starts

    @property
    def row_lengths(self):
        """int64 [B], in tokens."""
        return self.row_splits[1:] - self.row_splits[:-1]


def as_words(x):
    """Words, from whatever says which they are.

    Args:
        x: Words, a ragged string [B, W], or dense with "" behind a text's last one; or
            whole texts, string [B], which are cut at white space and around
            punctuation, as BERT does it. Lists do.

    Returns:
        Ragged string [B, W].

    Example:

    >>> as_words(["Who's there?"]).to_list()
    [[b'Who', b"'", b's', b'there', b'?']]
    >>> as_words([["Who's", "there", ""]]).to_list()
    [[b"Who's", b'there']]
    """
    x = as_strings(x)
    if x.shape.rank == 1:
        return split_words(x)
    if isinstance(x, tf.RaggedTensor):
        return x
    return tf.RaggedTensor.from_tensor(x, padding="")


def ragged_words(texts):
    """Ragged string [B, W], from a list of lists of str."""
    words = [word.encode("utf-8", "surrogateescape") for text in texts for word in text]
    words = tf.constant(np.array(words, object), tf.string, [len(words)])
    return tf.RaggedTensor.from_row_lengths(words, [len(text) for text in texts])


def cut_words(words, tokenizer):
    """Every word as tokens, at least one each.

    All words are tokenized in one call, each as if it were a text, so that no token is
    of two words, whatever the tokenizer. A word of which nothing is left, of control
    characters alone, becomes the unknown token.

    Args:
        words: Ragged string [B, W].
        tokenizer: A tokenizer that knows its special tokens.

    Returns:
        WordTokens.

    Raises:
        ValueError: the tokenizer gives all texts one length.
    """
    text = words.values  # [W of all texts]
    if hasattr(tokenizer, "add_prefix_space"):
        # Byte pairs tell a word within a text by the space before it.
        first = tf.ragged.range(words.row_lengths()).values == 0
        text = tf.where(first, text, tf.strings.join([" ", text]))
    one_word_each = not getattr(tokenizer, "split", True)
    tokens = tokenizer(text[:, tf.newaxis] if one_word_each else text)
    if not isinstance(tokens, tf.RaggedTensor):
        raise ValueError(
            "The tokenizer must leave words as long as they are. Received: "
            f"sequence_length={tokenizer.sequence_length}. Try sequence_length=None."
        )
    unknown = tokenizer.token_to_id(tokenizer.unk_token or tokenizer.end_token)
    lost = tf.cast(tokens.row_lengths() == 0, tf.int64)
    unknown = tf.fill([tf.reduce_sum(lost)], tf.cast(unknown, tokens.dtype))
    unknown = tf.RaggedTensor.from_row_lengths(unknown, lost, validate=False)
    tokens = tf.concat([tokens, unknown], axis=1)
    row_splits = tf.gather(tokens.row_splits, words.row_splits)
    starts = tokens.row_starts() - tf.gather(row_splits, words.value_rowids())
    ids = tf.cast(tokens.values, tf.int32)
    return WordTokens(ids, row_splits, words.with_values(starts))


def per_word(values, words, name):
    """What is given for each word, flat.

    Args:
        values: Ragged [B, W]; or dense, with "" or anything behind a text's last word.
        words: Ragged string [B, W].
        name: What they are, for the error: "labels".

    Returns:
        [W of all texts].

    Raises:
        tf.errors.InvalidArgumentError: a text has more or fewer of them than words.
    """
    if not tf.is_tensor(values):
        values = tf.ragged.constant(values)
    if not isinstance(values, tf.RaggedTensor):
        if values.dtype == tf.string:
            values = tf.RaggedTensor.from_tensor(values, padding="")
        else:
            most = tf.shape(values, tf.int64)[1]
            lengths = tf.minimum(words.row_lengths(), most)
            values = tf.RaggedTensor.from_tensor(values, lengths)
    have, want = values.row_lengths(), words.row_lengths()
    parts = [tf.as_string(have), f" {name} for ", tf.as_string(want), " words."]
    refusal = _refuse_unless(
        have == want,
        f"A text must have as many {name} as words.",
        tf.strings.join(parts),
    )
    # Before what follows trips over the difference.
    with tf.control_dependencies([] if refusal is None else [refusal]):
        return tf.identity(values.values)


def number_labels(labels, names):
    """Labels as their places among the names.

    Args:
        labels: string or int [N].
        names: list of str.

    Returns:
        int32 [N].

    Raises:
        tf.errors.InvalidArgumentError: a label is not among the names, or no number of
            one.
    """
    if labels.dtype == tf.string:
        match = labels[:, tf.newaxis] == tf.constant(names)
        wanted = f"A label must be one of {', '.join(names)}."
        labels = tf.strings.join([labels, "."])
        _refuse_unless(tf.reduce_any(match, axis=1), wanted, labels)
        return tf.argmax(match, axis=1, output_type=tf.int32)
    wanted = f"A label must be a name, or a number from 0 to {len(names) - 1}."
    known = (labels >= 0) & (labels < len(names))
    _refuse_unless(known, wanted, tf.strings.join([tf.as_string(labels), "."]))
    return tf.cast(labels, tf.int32)


def _refuse_unless(fine, wanted, came):
    """Stops the graph with a sentence about the first, bool and string [N], that is
    not fine."""
    first = tf.strings.reduce_join(tf.boolean_mask(came, ~fine)[:1])
    said = tf.strings.join([f"{wanted} Received: ", first])
    return tf.debugging.Assert(tf.reduce_all(fine), [said])
