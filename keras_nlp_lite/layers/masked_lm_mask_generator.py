"""Random masks, for a model that learns to tell what they hide."""

import keras
import numpy as np
import tensorflow as tf

from keras_nlp_lite.checks import check_positive_int, check_rate
from keras_nlp_lite.layers.preprocessing_layer import on_cpu
from keras_nlp_lite.layers.random_preprocessing_layer import (
    RandomPreprocessingLayer,
    split_seed,
    taken_before,
)
from keras_nlp_lite.tokenizers.packing import as_rows, as_token_tensor


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class MaskedLMMaskGenerator(RandomPreprocessingLayer):
    """Chooses tokens at random, hides them, and tells where they were and what.

    A row's tokens are chosen in random order until `mask_selection_rate` of them are:
    of 10 tokens that may be, 0.15 chooses 2. Of the chosen ones, most become the mask
    token, some a random token, and the others stay as they are. With
    `continuation_token_ids`, words are chosen rather than tokens, each with all its
    pieces; what becomes of a piece is still drawn for it alone.

    Shapes: B batch, T tokens, L `mask_selection_length`, N chosen tokens, different in
    each row.

    Args:
        vocabulary_size: V, how many ids there are.
        mask_selection_rate: Share of a row's tokens to choose, from 0 to 1.
        mask_token_id: The id of the mask token; it is never chosen.
        mask_selection_length: L, in tokens: at most so many are chosen, and the outputs
            are padded to as many. None for ragged outputs.
        unselectable_token_ids: Ids that are never chosen, nor drawn in place of another:
            the padding and the special tokens.
        mask_token_rate: Share of the chosen tokens that become the mask token.
        random_token_rate: Share of them that become some token of the vocabulary,
            neither the mask nor unselectable.
        continuation_token_ids: Ids of the tokens that go on with the word before them.
            Any other token begins a word, and so do the first of a row and the first
            behind an unselectable one. A word of more than L tokens is never chosen.
            None makes each token its own word.
        seed: int, where the sequence of draws begins; None for anywhere. Each call goes
            on with it, in `Dataset.map` too, so that no two epochs are masked alike;
            with its `num_parallel_calls`, draws come in the same order in every run
            only by the call argument.
        **kwargs: `name`, `dtype` and the rest of `keras.layers.Layer`.

    Call arguments:
        inputs: int [T], or dense or ragged [B, T]; lists do. An id outside the
            vocabulary is left as it is.
        seed: int [2], in place of the layer's next one.

    Returns:
        dict:
            token_ids: shape, kind and dtype of the inputs, with the masks.
            mask_positions: int32 [B, L], where the chosen tokens are in their row,
                counted from 0, ascending; padded with 0.
            mask_ids: dtype of the inputs, [B, L], which they are; padded with 0.
            mask_weights: float32 [B, L], 1 for a chosen token, 0 for padding.

        Without L the last three are ragged [B, N]; without a B, [L] or [N]. A row of
        which nothing can be chosen comes back whole, with weights of 0.

    Raises:
        ValueError: a rate outside 0 to 1, or two of more than 1 together; a mask token
            outside the vocabulary; no token left to draw; an input that is not of ids.

    Example:

    >>> vocabulary = ["[PAD]", "[MASK]", "[CLS]", "the", "qu", "##ick", "fox"]
    >>> masker = MaskedLMMaskGenerator(
    ...     vocabulary_size=len(vocabulary),
    ...     mask_selection_rate=0.25,
    ...     mask_token_id=1,
    ...     mask_selection_length=3,
    ...     unselectable_token_ids=[0, 2],
    ...     mask_token_rate=1.0,
    ...     random_token_rate=0.0,
    ...     continuation_token_ids=[
    ...         i for i, token in enumerate(vocabulary) if token.startswith("##")
    ...     ],
    ...     seed=1,
    ... )
    >>> masked = masker([[2, 3, 4, 5, 6, 0], [2, 0, 0, 0, 0, 0]])
    >>> print(masked["token_ids"].numpy())
    [[2 3 1 1 6 0]
     [2 0 0 0 0 0]]
    >>> print(masked["mask_positions"].numpy(), masked["mask_ids"].numpy())
    [[2 3 0]
     [0 0 0]] [[4 5 0]
     [0 0 0]]
    >>> print(masked["mask_weights"].numpy())
    [[1. 1. 0.]
     [0. 0. 0.]]

    Byte-level BPE marks the tokens that begin a word, so that all others go on with
    one: `[i for i, token in enumerate(vocabulary) if not token.startswith("Ġ")]`.

    Reference: Devlin et al., "BERT", arXiv:1810.04805, section 3.1.
    """

    def __init__(
        self,
        vocabulary_size,
        mask_selection_rate,
        mask_token_id,
        mask_selection_length=None,
        unselectable_token_ids=(0,),
        mask_token_rate=0.8,
        random_token_rate=0.1,
        continuation_token_ids=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(seed=seed, **kwargs)
        check_positive_int("vocabulary_size", vocabulary_size)
        check_positive_int("mask_selection_length", mask_selection_length, none_ok=True)
        check_rate("mask_selection_rate", mask_selection_rate)
        check_rate("mask_token_rate", mask_token_rate)
        check_rate("random_token_rate", random_token_rate)
        if mask_token_rate + random_token_rate > 1:
            raise ValueError(
                "`mask_token_rate` and `random_token_rate` must be at most 1 together. "
                f"Received: mask_token_rate={mask_token_rate}, "
                f"random_token_rate={random_token_rate}."
            )
        self.vocabulary_size = vocabulary_size
        self.mask_selection_rate = mask_selection_rate
        (self.mask_token_id,) = _as_ids("mask_token_id", [mask_token_id])
        self.mask_selection_length = mask_selection_length
        self.unselectable_token_ids = _as_ids(
            "unselectable_token_ids", unselectable_token_ids
        )
        self.mask_token_rate = mask_token_rate
        self.random_token_rate = random_token_rate
        self.continuation_token_ids = (
            None
            if continuation_token_ids is None
            else _as_ids("continuation_token_ids", continuation_token_ids)
        )
        if not 0 <= self.mask_token_id < vocabulary_size:
            raise ValueError(
                "`mask_token_id` must be an id of the vocabulary. Received: "
                f"mask_token_id={mask_token_id}, vocabulary_size={vocabulary_size}."
            )
        special = [self.mask_token_id, *self.unselectable_token_ids]
        self._selectable = ~_table(special, vocabulary_size)  # bool [V]
        self._continuing = _table(self.continuation_token_ids or [], vocabulary_size)
        self._ordinary = np.flatnonzero(self._selectable)
        if random_token_rate and not self._ordinary.size:
            raise ValueError(
                "There must be tokens to draw where random_token_rate is not 0. "
                f"Received: vocabulary_size={vocabulary_size}, all of them special: "
                f"{sorted(set(special))}."
            )

    def call(self, inputs, seed=None):
        with on_cpu():
            tokens = as_token_tensor(inputs)
            if not tokens.dtype.is_integer:
                raise ValueError(
                    "Masking takes token ids. Received: an input of dtype "
                    f"{tokens.dtype.name}."
                )
            rows, batched = as_rows(tokens)
            order_seed, fate_seed, token_seed = split_seed(self.next_seed(seed), 3)
            chosen = self._choose(rows, order_seed)  # bool, over all rows' tokens
            masked = self._mask(rows.values, chosen, fate_seed, token_seed)

            where = tf.boolean_mask(_places(rows), chosen)
            ids = tf.boolean_mask(rows.values, chosen)
            counts = tf.reduce_sum(
                tf.cast(_ragged(chosen, rows.lengths), tf.int64), axis=1
            )
            parts = {
                "mask_positions": tf.cast(where, tf.int32),
                "mask_ids": ids,
                "mask_weights": tf.ones_like(where, tf.float32),
            }
            for name, values in parts.items():
                part = _ragged(values, counts)
                if self.mask_selection_length is not None:
                    part = part.to_tensor(shape=[None, self.mask_selection_length])
                parts[name] = part if batched else part[0]
            return {"token_ids": _like(tokens, masked), **parts}

    def _choose(self, rows, seed):
        """bool, over all rows' tokens: which are chosen.

        A row's words, mixed, are taken as long as those before hold too few tokens.
        """
        B = tf.size(rows.lengths, tf.int64)
        row = tf.repeat(tf.range(B), rows.lengths)
        selectable = self._have(self._selectable, rows.values)
        if self.continuation_token_ids is None:
            word, word_row = tf.range(tf.size(row)), row
            sizes = tf.cast(selectable, tf.int64)
        else:
            goes_on = self._have(self._continuing, rows.values) & selectable
            goes_on &= tf.concat([[False], selectable[:-1]], 0)[: tf.size(row)]
            begins = ~goes_on | (_places(rows) == 0)
            word = tf.cumsum(tf.cast(begins, tf.int32)) - 1
            word_row = tf.boolean_mask(row, begins)
            sizes = tf.math.unsorted_segment_sum(
                tf.cast(selectable, tf.int64), word, tf.size(word_row)
            )
        total = tf.math.unsorted_segment_sum(sizes, word_row, B)
        length = self.mask_selection_length
        if length is not None:
            sizes = tf.where(sizes > length, tf.zeros_like(sizes), sizes)
        before = taken_before(sizes, word_row, B, seed)
        # In float64 0.07 * 100 is a little more than 7, which is no reason for an 8th.
        wanted = self.mask_selection_rate * tf.cast(total, tf.float64) - 1e-9
        wanted = tf.gather(wanted, word_row)
        chosen = (sizes > 0) & (tf.cast(before, tf.float64) < wanted)
        if length is not None:
            chosen &= before + sizes <= length
        return tf.gather(chosen, word)

    def _have(self, table, ids):
        """Looks ids up in a table, bool [V]; False for what is no id."""
        ids = tf.cast(ids, tf.int64)
        known = (ids >= 0) & (ids < self.vocabulary_size)
        return known & tf.gather(table, tf.where(known, ids, tf.zeros_like(ids)))

    def _mask(self, ids, chosen, fate_seed, token_seed):
        """The ids, int [N], with what becomes of the chosen ones."""
        fate = tf.random.stateless_uniform(tf.shape(ids), fate_seed)
        hidden = chosen & (fate < self.mask_token_rate)
        changed = chosen & (fate < self.mask_token_rate + self.random_token_rate)
        if self.random_token_rate:
            drawn = tf.random.stateless_uniform(
                tf.shape(ids), token_seed, 0, self._ordinary.size, tf.int32
            )
            drawn = tf.cast(tf.gather(self._ordinary, drawn), ids.dtype)
            ids = tf.where(changed, drawn, ids)
        return tf.where(hidden, tf.cast(self.mask_token_id, ids.dtype), ids)

    def compute_output_spec(self, inputs, seed=None):
        shape = (*inputs.shape[:-1], self.mask_selection_length)
        ragged = self.mask_selection_length is None and len(shape) > 1
        dtypes = {
            "mask_positions": "int32",
            "mask_ids": inputs.dtype,
            "mask_weights": "float32",
        }
        token_ids = keras.KerasTensor(
            inputs.shape, dtype=inputs.dtype, ragged=inputs.ragged
        )
        parts = {
            name: keras.KerasTensor(shape, dtype=dtype, ragged=ragged)
            for name, dtype in dtypes.items()
        }
        return {"token_ids": token_ids, **parts}

    def get_config(self):
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "mask_selection_rate": self.mask_selection_rate,
            "mask_token_id": self.mask_token_id,
            "mask_selection_length": self.mask_selection_length,
            "unselectable_token_ids": list(self.unselectable_token_ids),
            "mask_token_rate": self.mask_token_rate,
            "random_token_rate": self.random_token_rate,
            "continuation_token_ids": self.continuation_token_ids
            and list(self.continuation_token_ids),
        }


def _as_ids(name, ids):
    """Token ids as a list of int; empty for None."""
    array = np.asarray([] if ids is None else list(ids))
    if array.size and (array.ndim != 1 or array.dtype.kind not in "iu"):
        wanted = "an integer" if name == "mask_token_id" else "integers"
        raise ValueError(f"`{name}` must be {wanted}. Received: {name}={ids!r}.")
    return [int(i) for i in array]


def _table(ids, size):
    """bool [size], True at the ids that lie in it."""
    ids = np.array(ids, int)
    table = np.zeros(size, bool)
    table[ids[(ids >= 0) & (ids < size)]] = True
    return table


def _places(rows):
    """int64, over all rows' tokens: where in its row each stands, from 0."""
    return tf.range(tf.size(rows.values, tf.int64)) - tf.repeat(
        rows.starts, rows.lengths
    )


def _ragged(values, lengths):
    return tf.RaggedTensor.from_row_lengths(values, lengths, validate=False)


def _like(tokens, values):
    """Flat values in the shape and kind of a tensor, dense or ragged."""
    if isinstance(tokens, tf.RaggedTensor):
        return tokens.with_values(values)
    return tf.ensure_shape(tf.reshape(values, tf.shape(tokens)), tokens.shape)
