"""What a text so far does to its next token's logits: each against plain loops."""

import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.samplers.processors import (
    BANNED,
    ban_ids,
    ban_repeated_ngrams,
    ban_words,
    penalize_repetition,
)

R, L, V, INDEX = 5, 17, 7, 13
STARTS = np.array([0, 4, 12, 13, 9], "int32")


def case(seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(R, V)).astype("float32")
    # Ids that the vocabulary lacks, too.
    tokens = rng.integers(-1, V + 1, size=(R, L)).astype("int32")
    return logits, tokens, [list(row[s:INDEX]) for row, s in zip(tokens, STARTS)]


def with_banned(logits, banned):
    """The logits of each row r, without the tokens in banned[r]."""
    wanted = logits.copy()
    for r, ids in enumerate(banned):
        wanted[r, [i for i in ids if 0 <= i < V]] = BANNED
    return wanted


@pytest.mark.parametrize("penalty", [0.5, 1.7])
def test_a_penalty_scales_the_logits_of_tokens_in_the_text(penalty):
    logits, tokens, texts = case()
    wanted = logits.copy()
    for r, text in enumerate(texts):
        for i in set(text) & set(range(V)):
            x = logits[r, i]
            wanted[r, i] = x / penalty if x > 0 else x * penalty
    found = penalize_repetition(logits, tokens, STARTS, INDEX, penalty)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 3, 14])
def test_no_run_of_tokens_can_come_twice(size):
    for seed in range(5):
        logits, tokens, texts = case(seed)
        banned = []
        for text in texts:
            runs = [text[i : i + size] for i in range(len(text) - size + 1)]
            last = text[len(text) - size + 1 :] if size > 1 else []
            banned.append([x[-1] for x in runs if x[:-1] == last])
        found = ban_repeated_ngrams(logits, tokens, STARTS, INDEX, size)
        np.testing.assert_array_equal(found, with_banned(logits, banned))


def test_words_cannot_be_completed():
    words = [[3], [1, 2], [2, 2], [0, 5, 6], [4, 0], [V + 3]]
    for seed in range(9):
        logits, tokens, texts = case(seed)
        tokens[4, 11:13] = texts[4][2:] = 0, 5
        banned = [
            [w[-1] for w in words if text[len(text) - len(w) + 1 :] == w[:-1]]
            for text in ([-9] * 3 + text for text in texts)
        ]
        banned = [set(ids) | {3} for ids in banned]
        assert 6 in banned[4]
        found = ban_words(
            tf.constant(logits), tf.constant(tokens), STARTS, INDEX, words
        )
        np.testing.assert_array_equal(found, with_banned(logits, banned))


def test_ids_are_banned_in_the_rows_that_are_named():
    logits, _, _ = case()
    rows = tf.constant([True, False, True, False, False])
    found = ban_ids(logits, tf.constant([2, 6, V]), rows)
    banned = [[2, 6] if row else [] for row in rows]
    np.testing.assert_array_equal(found, with_banned(logits, banned))


def test_where_all_is_banned_all_is_alike():
    logits, _, _ = case()
    found = ban_ids(logits, tf.range(V), tf.fill([R], True))
    np.testing.assert_allclose(tf.nn.softmax(found / 0.1), 1 / V, rtol=1e-6)
