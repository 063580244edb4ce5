"""Counting n-grams over a corpus that streams by, with NumPy on word numbers.

No n-gram ever becomes a string: words are numbered as they come, an n-gram is a row of
word numbers, and counting is sorting. Time grows with the corpus's tokens, memory with
its different n-grams (some 30 bytes each).
"""

import numpy as np
import tensorflow as tf

# So many n-grams, of 8 bytes each, are gathered before they are sorted and counted:
# fewer would make more tables to merge, more would take memory and gain no time.
_PENDING = 500_000


def number_tokens(tokens):
    """Tells the tokens of a batch apart, before they leave TensorFlow for NumPy.

    Args:
        tokens: ragged string [B, None].

    Returns:
        A tuple of string [U], the different tokens; int64 [U], their fingerprints;
        int32 [N], which of them each token is; int64 [B + 1], where each row starts.
    """
    # Fingerprints of 62 bits stand for the strings: integers are told apart five times
    # as fast. Two of a million different tokens share one with a chance of 1e-7.
    fingerprints = tf.strings.to_hash_bucket_fast(tokens.values, 2**62)
    unique, index = tf.unique(fingerprints)
    first = tf.math.unsorted_segment_min(
        tf.range(tf.size(index)), index, tf.size(unique)
    )
    return tf.gather(tokens.values, first), unique, index, tokens.row_splits


class NGramCounts:
    """How often each n-gram occurs, overall and in how many texts of each class.

    Args:
        sizes: Which n, ascending.
        by_text: Whether to count the texts that hold an n-gram, too.
        num_classes: C, into how many classes the texts are counted apart.
    """

    def __init__(self, sizes, *, by_text=False, num_classes=1):
        self.sizes = sizes
        self.by_text = by_text
        self.num_classes = num_classes
        self.num_texts = np.zeros(num_classes, np.int64)
        self.tokens = []  # bytes, at the place of their number
        self._fingerprints = np.zeros(0, np.int64)  # sorted, of all tokens
        self._numbers = np.zeros(0, np.int64)  # of the token with that fingerprint
        self._pending = {n: [] for n in sizes}  # n -> n-grams not yet counted
        self._tables = dict.fromkeys(sizes)  # n -> (n-grams, counts)

    def update(self, tokens, fingerprints, index, row_splits, classes=None):
        """Counts one batch of texts, as `number_tokens` gives it.

        Args:
            tokens: bytes [U], the different tokens.
            fingerprints: int64 [U], theirs.
            index: int [N], each token's place in `tokens`.
            row_splits: int [B + 1], where each text starts in `index`.
            classes: int [B], the texts' classes; None where there is but one.

        Returns:
            int64 [N], each token's number: its place in `self.tokens`.
        """
        words = self._number(tokens, fingerprints)[index]
        lengths = np.diff(row_splits)
        rows = np.repeat(np.arange(len(lengths)), lengths)
        if classes is None:
            classes = np.zeros(len(lengths), np.int64)
        # A text's class and its place in the whole corpus, in one integer.
        texts = (self.num_texts.sum() + rows) * self.num_classes + classes[rows]
        self.num_texts += np.bincount(classes, minlength=self.num_classes)
        for n in self.sizes:
            starts = np.flatnonzero(rows[n - 1 :] == rows[: max(len(rows) - n + 1, 0)])
            gram = [words[starts + i] for i in range(n)]
            # Two word numbers fit one integer, and integers sort fastest by far.
            packed = [(gram[0] << 32) | gram[1], *gram[2:]] if n > 1 else gram
            if self.by_text:
                packed.append(texts[starts])
            self._pending[n].append(np.stack(packed))
            if sum(batch.size for batch in self._pending[n]) >= _PENDING:
                self._count(n)
        return words

    def _number(self, tokens, fingerprints):
        """int64 [U], the tokens' numbers; new ones get the next."""
        order = np.argsort(fingerprints)  # sorted, they are found several times faster
        wanted = fingerprints[order]
        place, known = _find(self._fingerprints, wanted)
        new = order[~known]
        numbers = np.empty(len(wanted), np.int64)
        numbers[order[known]] = self._numbers[place[known]]
        numbers[new] = len(self.tokens) + np.arange(len(new))
        self.tokens.extend(tokens[new])
        self._fingerprints, self._numbers = _inserted(
            place[~known],
            (self._fingerprints, wanted[~known]),
            (self._numbers, numbers[new]),
        )
        return numbers

    def _count(self, n):
        """Counts what is pending into the table."""
        if not self._pending[n]:
            return
        grams = np.concatenate(self._pending[n], axis=1)
        self._pending[n] = []
        if self.by_text:
            grams, times = _distinct(grams)  # an n-gram and a text, and how often
            by_class = np.zeros((grams.shape[1], 1 + self.num_classes), np.int64)
            by_class[:, 0] = times
            classes = grams[-1] % self.num_classes
            by_class[np.arange(len(classes)), 1 + classes] = 1
            grams, counts = _merged(grams[:-1], by_class)
        else:
            grams, counts = _distinct(grams)
            counts = counts[:, None]
        table = (grams, counts)
        if self._tables[n] is not None and self._tables[n][0].size:
            table = _add_up(self._tables[n], table)
        self._tables[n] = table

    def select(self, max_tokens=None, min_frequency=1):
        """The most frequent n-grams of all that came, the most frequent first.

        Ties go by the tokens' own order, so that the order in which the corpus came
        does not matter.

        Args:
            max_tokens: The largest V; None for all.
            min_frequency: Rarer n-grams are left out.

        Returns:
            A tuple of int64 [V, n of the largest size], word numbers, with -1 behind
            shorter n-grams; and int64 [V, C], how many texts of each class hold them
            (None unless `by_text`).
        """
        for n in self.sizes:
            self._count(n)
        tables = {n: table for n, table in self._tables.items() if table is not None}
        edge = min_frequency
        often = [t[t >= edge] for t in (counts[:, 0] for _, counts in tables.values())]
        often = np.concatenate([*often, np.zeros(0, np.int64)])
        if max_tokens is not None and len(often) > max_tokens:
            edge = np.partition(often, -max_tokens)[-max_tokens]
        width = max(self.sizes)
        all_grams = [np.zeros((0, width), np.int64)]
        all_counts = [np.zeros((0, 1 + self.by_text * self.num_classes), np.int64)]
        for n, (packed, counts) in tables.items():
            keep = counts[:, 0] >= edge
            packed = packed[:, keep]
            grams = np.full((packed.shape[1], width), -1, np.int64)
            grams[:, 0] = packed[0] if n == 1 else packed[0] >> 32
            if n > 1:
                grams[:, 1] = packed[0] & 0xFFFFFFFF
                grams[:, 2:n] = packed[1:].T
            all_grams.append(grams)
            all_counts.append(counts[keep])
        grams, counts = np.concatenate(all_grams), np.concatenate(all_counts)
        order = _rank(grams, counts[:, 0], self.tokens)[:max_tokens]
        return grams[order], counts[order, 1:] if self.by_text else None


def _rank(grams, counts, tokens):
    """int [V]: what sorts n-grams by count, falling, and ties by their tokens."""
    rank = np.empty(len(tokens) + 1, np.int64)
    rank[sorted(range(len(tokens)), key=tokens.__getitem__)] = np.arange(len(tokens))
    rank[-1] = -1  # where -1 points: a shorter n-gram sorts first
    columns = rank[grams].T
    return np.lexsort((*columns[::-1], -counts))


def _find(table, keys):
    """Where sorted keys stand in a sorted table, or would; and which do."""
    place = np.searchsorted(table, keys)
    known = np.zeros(len(keys), bool)
    if len(table):
        known = table[np.minimum(place, len(table) - 1)] == keys
    return place, known


def _inserted(place, *pairs):
    """Each array of the pairs with its new values before the places, int [f], rising."""
    at = place + np.arange(len(place))
    old = np.ones(len(pairs[0][0]) + len(place), bool)
    old[at] = False
    results = []
    for array, values in pairs:
        result = np.empty((len(old), *array.shape[1:]), array.dtype)
        result[old], result[at] = array, values
        results.append(result)
    return results


def _starts(columns):
    """Where runs of equal columns start, in int [k, N] whose equal columns adjoin."""
    fresh = (columns[:, 1:] != columns[:, :-1]).any(axis=0)
    return np.flatnonzero(np.append(columns.shape[1] > 0, fresh)[: columns.shape[1]])


def _distinct(columns):
    """The different columns of int [k, N], sorted, and how often each occurs."""
    if len(columns) == 1:
        if columns.size and columns.max() < columns.size:  # word numbers: no sorting
            counts = np.bincount(columns[0])
            present = np.flatnonzero(counts)
            return present[None], counts[present]
        columns.sort(axis=1)
    else:
        columns = columns[:, np.lexsort(columns[::-1])]
    starts = _starts(columns)
    return columns[:, starts], np.diff(np.append(starts, columns.shape[1]))


def _add_up(table, more):
    """Adds two sorted tables of columns int [k, U] and their counts [U, c]."""
    (columns, counts), (new, new_counts) = table, more
    if len(columns) == 1:
        # In place where a column is known, which takes least memory.
        place, known = _find(columns[0], new[0])
        counts[place[known]] += new_counts[known]
        columns, counts = _inserted(
            place[~known], (columns[0], new[0, ~known]), (counts, new_counts[~known])
        )
        return columns[None], counts
    return _merged(
        np.concatenate([columns, new], axis=1), np.concatenate([counts, new_counts])
    )


def _merged(columns, counts):
    """Sorts columns int [k, N], and adds the counts [N, c] of equal ones."""
    order = np.lexsort(columns[::-1])
    columns = columns[:, order]
    starts = _starts(columns)
    if not len(starts):
        return columns, counts
    return columns[:, starts], np.add.reduceat(counts[order], starts, axis=0)
