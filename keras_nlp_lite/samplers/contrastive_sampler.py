"""Contrastive search: likely tokens that do not say again what was said."""

import keras
import tensorflow as tf

from keras_nlp_lite.checks import check_positive_int, check_rate
from keras_nlp_lite.samplers import beams
from keras_nlp_lite.samplers.arguments import check_one_sequence, check_seed
from keras_nlp_lite.samplers.sampler import Sampler


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class ContrastiveSampler(Sampler):
    """Of the k likeliest tokens, takes the one that repeats the text least.

    A candidate's score is (1 - alpha) * its probability - alpha * the highest cosine
    similarity of its hidden state to those of the text so far. Each step runs the model
    on k rows for each text.

    Shapes: B texts, L columns, D width of hidden states, k candidates.

    Args:
        k: Candidates; at most the vocabulary's size.
        alpha: 0 is greedy search; at 1 the candidates' probabilities do not count.
        seed: Not used, since nothing is drawn.
        **kwargs: As of `Sampler`.

    Call arguments:
        hidden_states: float [B, L, D], those of the prompt.
        next: As of `Sampler`; gives hidden states, float [R, D], too. May have the
            attributes `beams` and `reorder`: see `BeamSampler`.

    Raises:
        ValueError: no `hidden_states`, or fewer tokens than `k`; as `Sampler`.

    Example: token 1 is likeliest, but what it means was said.

    >>> meaning = keras.ops.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> def next(prompt, cache, index):
    ...     last = keras.ops.take(prompt, index - 1, axis=1)
    ...     logits = keras.ops.log([[0.1, 0.5, 0.4]] * len(last))
    ...     return logits, keras.ops.take(meaning, last, axis=0), cache
    >>> hidden = [[[1.0, 0.0], [0.0, 0.0]]]
    >>> ContrastiveSampler(k=2)(next, [[1, 0]], index=1, hidden_states=hidden).numpy()
    array([[1, 2]], dtype=int32)

    Reference: Su et al., "A Contrastive Framework for Neural Text Generation",
    arXiv:2202.06417.
    """

    def __init__(self, k=5, alpha=0.6, seed=None, **kwargs):
        super().__init__(**kwargs)
        check_positive_int("k", k)
        check_rate("alpha", alpha)
        check_seed(seed)
        check_one_sequence("ContrastiveSampler", self.num_return_sequences)
        self.k = k
        self.alpha = alpha
        self.seed = seed

    @property
    def cache_rows(self):
        return self.k

    def step(self, next, state):
        rows, index = state["rows"], state["index"]
        logits = self._processed(rows["logits"], rows, state)
        probs, ids = tf.math.top_k(self.compute_probabilities(logits), self.k)  # [B, k]
        tokens = rows["tokens"]
        here = tf.range(tf.shape(tokens)[1]) == index
        # What is given, or stands behind a text's end, is the only candidate, k times.
        old = tf.gather(tokens, index, axis=1)[:, None]
        ids = tf.where(self._kept(rows, state)[:, None], old, tf.cast(ids, old.dtype))
        tried = tf.where(here, ids[..., None], tokens[:, None])  # [B, k, L]
        tried = tf.reshape(tried, [-1, tf.shape(tokens)[1]])
        logits, hidden, cache = next(tried, state["cache"], index + 1)
        logits = self._each(tf.cast(logits, tf.float32))  # [B, k, V]
        hidden = self._each(tf.cast(hidden, rows["hidden_states"].dtype))  # [B, k, D]

        alike = _highest_similarity(rows, hidden, index)
        scores = (1 - self.alpha) * probs - self.alpha * alike  # [B, k]
        best = tf.argmax(scores, axis=1, output_type=tf.int32)
        cache = beams.reorder(next, cache, tf.repeat(best[:, None], self.k, axis=1))
        chosen = tf.gather(hidden, best, batch_dims=1)  # [B, D]
        rows = {
            **rows,
            **self._written(rows, tf.gather(ids, best, batch_dims=1), state),
            "logits": tf.gather(logits, best, batch_dims=1),
            "hidden_states": tf.where(
                here[:, None], chosen[:, None], rows["hidden_states"]
            ),
        }
        return self._advanced(state, rows, cache)

    def get_config(self):
        return {
            **super().get_config(),
            "k": self.k,
            "alpha": self.alpha,
            "seed": self.seed,
        }

    def _begun(self, state, next, hidden_states):
        if hidden_states is None or next is None:
            raise ValueError(
                "ContrastiveSampler compares hidden states. Received: no "
                "`hidden_states` of the prompt, or no `next`. Pass both."
            )
        hidden_states = tf.convert_to_tensor(hidden_states)
        if hidden_states.shape.rank != 3:
            raise ValueError(
                "`hidden_states` must have shape [texts, columns, width]. Received: "
                f"shape={hidden_states.shape}."
            )
        rows = state["rows"]
        index = state["index"]
        logits, last, cache = next(rows["tokens"], state["cache"], index)
        logits = tf.cast(logits, tf.float32)
        if last is not None:  # which the prompt's states need not hold
            here = (tf.range(tf.shape(hidden_states)[1]) == index - 1)[:, None]
            last = tf.cast(last, hidden_states.dtype)[:, None]
            hidden_states = tf.where(here, last, hidden_states)
        V = logits.shape[-1]
        if V is not None and self.k > V:
            raise ValueError(
                "`k` must be at most the vocabulary's size. Received: "
                f"k={self.k}, logits of {V} tokens."
            )
        cache = beams.spread(next, () if cache is None else cache, self.k)
        rows = {**rows, "logits": logits, "hidden_states": hidden_states}
        return {
            **state,
            "rows": rows,
            "cache": tf.nest.map_structure(tf.convert_to_tensor, cache),
        }

    def _each(self, x):
        """[B, k, ...], of [B * k, ...]"""
        return tf.reshape(x, [-1, self.k, tf.shape(x)[1]])


def _highest_similarity(rows, hidden, index):
    """float32 [B, k]: the highest cosine of candidates [B, k, D] with the text's states.

    -1, the lowest that a cosine can be, where there is no text.
    """
    said = tf.cast(rows["hidden_states"], tf.float32)  # [B, L, D]
    said = tf.math.l2_normalize(said, axis=-1)
    hidden = tf.math.l2_normalize(tf.cast(hidden, tf.float32), axis=-1)
    cosines = tf.matmul(hidden, said, transpose_b=True)  # [B, k, L]
    columns = tf.range(tf.shape(said)[1])
    in_text = (columns >= rows["starts"][:, None]) & (columns < index)  # [B, L]
    return tf.reduce_max(tf.where(in_text[:, None], cosines, -1.0), axis=-1)
