"""Rows of tokens to one width: joining, cutting and padding, as TensorFlow ops."""

from typing import NamedTuple

import keras
import tensorflow as tf

from keras_nlp_lite.checks import check_choice, check_positive_int
from keras_nlp_lite.tokenizers.strings import is_ragged

SIDES = ("left", "right")


class Rows(NamedTuple):
    """Rows of tokens, dense or ragged, as slices of one flat tensor."""

    values: tf.Tensor  # [N], the tokens of all rows
    starts: tf.Tensor  # int64 [B], where in `values` each row starts, or a scalar
    lengths: tf.Tensor  # int64 [B], how many tokens it has, or a scalar


def check_packer(sequence_length, padding_side):
    """Refuses what no packer can do."""
    check_positive_int("sequence_length", sequence_length)
    check_choice("padding_side", padding_side, SIDES)


def as_values(name, value):
    """The ids or tokens of one special place as a list.

    Args:
        name: The argument's name, as its caller writes it.
        value: An int, a str, a list or tuple of one kind of them, or None.

    Returns:
        list of int or list of str; empty for None.

    Raises:
        ValueError: anything else.
    """
    values = [] if value is None else value
    values = [values] if isinstance(values, (int, str)) else values
    if not isinstance(values, (list, tuple)) or not (
        all(isinstance(v, int) for v in values)
        or all(isinstance(v, str) for v in values)
    ):
        raise ValueError(
            f"`{name}` must be an id, a token, or a list of one of them. "
            f"Received: {name}={value!r}."
        )
    return list(values)


def as_token_tensor(tokens, kind=int):
    """Tokens as a tensor, from whatever a user had at hand.

    Args:
        tokens: int or string, [T], or dense or ragged [B, T]: a tensor, an array or a
            list (of lists).
        kind: int or str; what an empty list would have held.

    Returns:
        A Tensor or RaggedTensor of that shape.

    Raises:
        ValueError: another rank.
    """
    if not tf.is_tensor(tokens):
        dtype = None
        if isinstance(tokens, (list, tuple)) and not keras.tree.flatten(tokens):
            dtype = tf.string if kind is str else tf.int32
        convert = tf.ragged.constant if is_ragged(tokens) else tf.convert_to_tensor
        tokens = convert(tokens, dtype=dtype)
    if tokens.shape.rank not in (1, 2):
        raise ValueError(
            "Tokens must have shape [tokens] or [batch, tokens]. Received: "
            f"shape={tokens.shape}."
        )
    return tokens


def as_rows(tokens, kind=int):
    """Tokens as rows: what `as_token_tensor` takes.

    Returns:
        (Rows, whether there was a B)

    Raises:
        ValueError: another rank.
    """
    tokens = as_token_tensor(tokens, kind)
    batched = tokens.shape.rank == 2
    if isinstance(tokens, tf.RaggedTensor):
        starts, lengths = tokens.row_starts(), tokens.row_lengths()
        starts, lengths = (tf.cast(x, tf.int64) for x in (starts, lengths))
        return Rows(tokens.values, starts, lengths), batched
    if not batched:
        tokens = tokens[tf.newaxis]
    B, T = tf.unstack(tf.shape(tokens, tf.int64))
    starts = tf.range(B) * T
    return Rows(tf.reshape(tokens, [-1]), starts, tf.fill([B], T)), batched


def same_in_each_row(name, values, like):
    """Special values as rows that are all the same.

    Args:
        name: What the values are, for the error.
        values: list of ids or tokens.
        like: Rows whose type the values take.

    Returns:
        Rows.

    Raises:
        ValueError: ids for rows of tokens, or tokens for rows of ids.
    """
    dtype = like.values.dtype
    if values and isinstance(values[0], str) != (dtype == tf.string):
        raise ValueError(
            f"`{name}` must be of the same kind as the input. Received: {name}={values} "
            f"for an input of dtype {dtype.name}."
        )
    length = tf.constant(len(values), tf.int64)
    return Rows(
        tf.constant(values, dtype, [len(values)]), tf.zeros_like(length), length
    )


def join_rows(pieces, sequence_length, padding_side, pad_value):
    """Sets pieces one behind the other in each row, and pads.

    Each place of the result is looked up where its token lies: no ragged tensor is
    built, and nothing is copied twice.

    Args:
        pieces: list of Rows, of B rows each, or of the same row for all; together at
            most `sequence_length` tokens a row.
        sequence_length: L, in tokens.
        padding_side: "left" or "right".
        pad_value: What fills the places left; None for 0, or "" where tokens are
            strings.

    Returns:
        (tokens [B, L], int32 [B, L]: which piece each place is of, or -1 for padding)

    Example:

    >>> rows, _ = as_rows([[5, 6], [7]])
    >>> start = same_in_each_row("start_value", [1], like=rows)
    >>> tokens, owners = join_rows([start, rows], 4, "right", pad_value=9)
    >>> print(tokens.numpy().tolist(), owners.numpy().tolist())
    [[1, 5, 6, 9], [1, 7, 9, 9]] [[0, 1, 1, -1], [0, 1, -1, -1]]
    """
    dtype = pieces[0].values.dtype
    if pad_value is None:
        pad_value = "" if dtype == tf.string else 0
    (padding,) = as_values("pad_value", pad_value)
    values = tf.concat([tf.constant([padding], dtype), *(p.values for p in pieces)], 0)
    lengths = [tf.reshape(piece.lengths, [-1, 1]) for piece in pieces]  # [B or 1, 1]
    place = tf.range(sequence_length, dtype=tf.int64)[tf.newaxis]  # [1, L]
    if padding_side == "left":
        place -= sequence_length - sum(lengths)  # [B, L], below 0 at padding
    source = tf.zeros([1, 1], tf.int64)  # the padding lies first in `values`
    owner = tf.fill([1, 1], -1)
    offset = tf.constant(1, tf.int64)
    for number, (piece, length) in enumerate(zip(pieces, lengths)):
        inside = (place >= 0) & (place < length)  # [B, L]
        start = tf.reshape(piece.starts, [-1, 1])
        source = tf.where(inside, offset + start + place, source)
        owner = tf.where(inside, number, owner)
        place -= length  # counted from where the next piece begins
        offset += tf.size(piece.values, tf.int64)
    return tf.gather(values, source), owner
