"""A language model small enough to follow: it hears every token, the later the louder.

The longer a text, the likelier it ends.

Shapes: R rows, L columns, V vocabulary, D width.
"""

import numpy as np
import tensorflow as tf

V, D = 23, 5
PAD, END = 0, 4


class Toy:
    """Logits and hidden states of random weights, with a cache or without one.

    `recomputed` and `cached` are each a `next`, and agree.
    """

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.embedding = tf.constant(rng.normal(size=(V, D)), tf.float32)
        self.head = tf.constant(1.2 * rng.normal(size=(D, V)), tf.float32)
        self.fed = []  # the rows of each step, where Python sees them

    def hidden(self, embedded, starts, index):
        """float [R, D], of the text in columns starts to index, embedded [R, S, D]."""
        columns = tf.range(tf.shape(embedded)[1])
        loud = 0.7 ** tf.cast(index - 1 - columns, tf.float32)
        heard = (columns >= starts[:, None]) & (columns < index)
        return tf.tanh(tf.einsum("rs,rsd->rd", tf.where(heard, loud, 0.0), embedded))

    def logits(self, hidden, cache, index):
        """float [R, V]"""
        length = tf.cast(index - cache["starts"], tf.float32)[:, None]
        return hidden @ self.head + (length - 7) * tf.one_hot([END], V)

    def recomputed(self, prompt, cache, index):
        self.fed.append(prompt.shape[0])
        embedded = tf.gather(self.embedding, prompt % V)
        hidden = self.hidden(embedded, cache["starts"], index)
        return self.logits(hidden, cache, index), hidden, cache

    def cached(self, prompt, cache, index):
        """Reads one column of the prompt; the cache has the others, and grows."""
        self.fed.append(prompt.shape[0])
        seen = cache["seen"]
        grown = tf.cond(
            index > tf.shape(seen)[1],
            lambda: tf.pad(seen, [(0, 0), (0, 4), (0, 0)]),
            lambda: seen,
        )
        new = tf.gather(self.embedding, tf.gather(prompt, index - 1, axis=1))
        here = (tf.range(tf.shape(grown)[1]) == index - 1)[:, None]
        seen = tf.where(here, new[:, None], grown)
        hidden = self.hidden(seen, cache["starts"], index)
        return self.logits(hidden, cache, index), hidden, {**cache, "seen": seen}

    def cache(self, prompt, index, starts=None):
        """What `cached` keeps of the columns before `index`."""
        starts = np.zeros(len(prompt), "int32") if starts is None else starts
        seen = tf.gather(self.embedding, prompt[:, :index])
        return {"seen": seen, "starts": tf.constant(starts)}

    def hidden_states(self, prompt, index, starts=None):
        """float [R, L, D]: those of the columns before `index`, zeros behind."""
        starts = np.zeros(len(prompt), "int32") if starts is None else starts
        embedded = tf.gather(self.embedding, prompt % V)
        states = [
            self.hidden(embedded, starts, j + 1) * float(j < index)
            for j in range(prompt.shape[1])
        ]
        return tf.stack(states, axis=1)


def prompts(B=5, index=3, L=13, seed=0, starts=None):
    """int32 [B, L]: random texts in the columns before `index`, padding elsewhere."""
    ids = np.random.default_rng(seed).integers(END + 1, V, size=(B, L))
    columns = np.arange(L)
    starts = np.zeros(B, "int32") if starts is None else np.asarray(starts)
    there = (columns >= starts[:, None]) & (columns < index)
    return np.where(there, ids, PAD).astype("int32")
