"""Words to tokens by merging pairs of neighbours, for many words at once.

Shapes: V tokens of the vocabulary, R merges, W words, C tokens of all words, first one
a byte and then ever fewer.
"""

import numpy as np
import tensorflow as tf

from keras_nlp_lite.tokenizers.byte_pair_alphabet import ALPHABET

_MERGED = -1  # in the place of a token that went into the one before it


class BytePairMerges(tf.Module):
    """Merges the tokens of each word, always the pair that stands first in the list.

    Tokens go by number: those of the vocabulary by their place in it, 0 to V - 1, and
    V + b for a byte b that it does not have. A pair is one integer made of both.

    Args:
        tokens: list of str [V].
        merges: list of pairs of str [R], the first to be merged first; both, and what
            they make, are in `tokens`.
    """

    def __init__(self, tokens, merges):
        super().__init__()
        number = {token: i for i, token in enumerate(tokens)}
        self._num_tokens = num_tokens = len(tokens) + len(ALPHABET)
        self._no_rank = R = len(merges)

        of_character = np.zeros(1 + max(map(ord, ALPHABET)), np.int64)
        for byte, character in enumerate(ALPHABET):
            of_character[ord(character)] = number.get(character, len(tokens) + byte)
        ranks = {
            number[a] * num_tokens + number[b]: rank
            for rank, (a, b) in enumerate(merges)
        }
        # TensorFlow makes no empty table: one more key, that no pair has.
        ranks[-1] = R
        self._of_character = tf.constant(of_character)
        self._made = tf.constant([number[a + b] for a, b in merges] + [0], tf.int64)
        self._ranks = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant(list(ranks), tf.int64),
                tf.constant(list(ranks.values()), tf.int64),
            ),
            default_value=R,
        )
        self._in_order = _in_order(merges)

    def __call__(self, words):
        """Turns words into tokens.

        Args:
            words: string [W], spelled in `ALPHABET`.

        Returns:
            Ragged int64 [W, None], tokens by number.
        """
        characters = tf.strings.unicode_decode(words, "UTF-8")
        tokens = tf.gather(self._of_character, characters.values)  # [C]
        word = characters.value_rowids()  # [C], which word each is of
        anything = tf.TensorShape([None])
        tokens, _, _ = tf.while_loop(
            lambda tokens, place, word: tf.size(place) > 0,
            self._merge_once,
            (tokens, tf.range(tf.size(tokens)), word),
            shape_invariants=(anything, anything, anything),
        )
        left = tf.where(tokens != _MERGED)[:, 0]
        return tf.RaggedTensor.from_value_rowids(
            tf.gather(tokens, left),
            tf.gather(word, left),
            tf.size(words, tf.int64),
            validate=False,
        )

    def _merge_once(self, tokens, place, word):
        """Merges the best pair of each word that has one.

        Args:
            tokens: int64 [C], by number. What two merge to stands where the first of
                them stood.
            place: int32 [P], where in `tokens` those of unfinished words are, rising.
            word: int64 [P], which word each of these is of.

        Returns:
            The same: fewer words are unfinished, and have fewer tokens.
        """
        here = tf.gather(tokens, place)
        # A pair goes by its first token: all of these are [P].
        rank = tf.where(
            word[:-1] == word[1:],
            self._ranks.lookup(here[:-1] * self._num_tokens + here[1:]),
            self._no_rank,
        )
        rank = tf.concat([rank, [self._no_rank]], 0)
        best = tf.gather(tf.math.segment_min(rank, word), word)
        unfinished = best < self._no_rank
        merge = (rank == best) & unfinished
        if self._in_order:
            merge = tf.cond(
                tf.reduce_any(merge & _shifted(merge)),
                lambda: _every_other(merge),
                lambda: merge,
            )
        else:
            # What one merge makes may come before the next of its kind.
            merge = _first_of_each(merge, word)
        merged = _shifted(merge)  # with the one before them

        made = tf.gather(self._made, tf.boolean_mask(rank, merge))
        into, gone = tf.boolean_mask(place, merge), tf.boolean_mask(place, merged)
        tokens = tf.tensor_scatter_nd_update(
            tokens,
            tf.concat([into, gone], 0)[:, tf.newaxis],
            tf.concat(
                [made, tf.fill(tf.shape(gone), tf.constant(_MERGED, tf.int64))], 0
            ),
        )
        left = tf.where(unfinished & ~merged)[:, 0]
        return tokens, tf.gather(place, left), tf.gather(word, left)


def _shifted(marks):
    """Moves marks one place on; there is none on the last."""
    return tf.concat([[False], marks[:-1]], 0)


def _every_other(marks):
    """The first, third, ... of each run of marks: "aaaa" makes two pairs, not three.

    Args:
        marks: bool [C].

    Returns:
        bool [C].
    """
    place = tf.range(tf.size(marks))
    starts = marks & ~_shifted(marks)
    run_starts = tf.concat([[0], tf.boolean_mask(place, starts)], 0)
    run = tf.cumsum(tf.cast(starts, tf.int32))  # from 1
    return marks & ((place - tf.gather(run_starts, run)) % 2 == 0)


def _first_of_each(marks, word):
    """The first mark of each word.

    Args:
        marks: bool [C].
        word: int64 [C], rising.

    Returns:
        bool [C].
    """
    place = tf.range(tf.size(marks))
    first = tf.math.segment_min(tf.where(marks, place, tf.size(marks)), word)
    return marks & (place == tf.gather(first, word))


def _in_order(merges):
    """Whether each token is made, in every way there is, before it is merged itself.

    So it is where merges were learned. All pairs of a kind can then be merged at once:
    what they make is merged only later.
    """
    last_made = {a + b: rank for rank, (a, b) in enumerate(merges)}
    return all(
        last_made.get(part, -1) < rank
        for rank, pair in enumerate(merges)
        for part in pair
    )
