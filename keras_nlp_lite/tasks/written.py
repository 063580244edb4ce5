"""From tokens that were written back to text."""

import tensorflow as tf


def without_specials(tokenizer, token_ids, padding_mask):
    """string [B]: the texts, without special tokens and padding.

    Args:
        tokenizer: Its `detokenize` runs in the graph.
        token_ids: int [B, L], or [L] of one text.
        padding_mask: bool [B, L], or [L].
    """
    token_ids = tf.convert_to_tensor(token_ids)
    keep = tf.cast(padding_mask, tf.bool)
    special = tf.constant(tokenizer.special_token_ids, token_ids.dtype)
    keep &= ~tf.reduce_any(token_ids[..., tf.newaxis] == special, axis=-1)
    return tokenizer.detokenize(tf.ragged.boolean_mask(token_ids, keep))
