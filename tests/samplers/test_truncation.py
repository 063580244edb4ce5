"""Which tokens stay in the draw, and how often each is drawn."""

import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.samplers import (
    MinPSampler,
    RandomSampler,
    TopKSampler,
    TopPSampler,
    TypicalSampler,
    logits_sampler,
)
from keras_nlp_lite.samplers.truncation import min_p, smallest_set, top_k, typicality

# As a well-known tour of decoding has them: after "The" six words hold 0.68 of the
# probability, and nine 0.94; after "The car" six hold 0.99, and three 0.97.
AFTER_THE = [0.13, 0.12, 0.12, 0.11, 0.1, 0.1, 0.09, 0.09, 0.08, 0.03, 0.03]
AFTER_THE_CAR = [0.55, 0.25, 0.17, 0.01, 0.005, 0.005, 0.004, 0.003, 0.002, 0.0005]
AFTER_THE_CAR += [0.0005]
TOUR = np.array([AFTER_THE, AFTER_THE_CAR], "float32")


def rows(R=7, V=101, seed=0):
    logits = np.random.default_rng(seed).normal(scale=3, size=(R, V))
    return tf.nn.log_softmax(tf.constant(logits, tf.float32))


def drawn(sampler, logits, draws=4000):
    """How often each token of the vocabulary was drawn, of 1."""
    V = len(logits)
    many = tf.repeat(tf.constant([logits], tf.float32), draws, axis=0)
    texts = sampler(lambda *_: (many, None, ()), np.zeros((draws, 1), "int32"))
    return np.bincount(texts.numpy()[:, 0], minlength=V) / draws


def assert_as_often(found, wanted, draws=4000):
    wanted = np.asarray(wanted) / np.sum(wanted)
    assert (found[wanted == 0] == 0).all()
    spread = np.sqrt(wanted * (1 - wanted) / draws)
    assert (np.abs(found - wanted) <= 5 * spread).all()


def test_the_tours_nuclei_are_nine_words_and_three():
    shuffled = np.random.default_rng(0).permuted(TOUR, axis=1)
    kept, ids, enough = smallest_set(tf.math.log(shuffled), 0.92, k=11)
    assert np.isfinite(kept).sum(axis=1).tolist() == [9, 3] and enough.numpy().all()
    np.testing.assert_allclose(
        np.take_along_axis(shuffled, ids.numpy(), 1), np.exp(tf.math.log(TOUR)), 1e-5
    )
    for row, size in zip(shuffled, [9, 3]):
        found = drawn(TopPSampler(p=0.92, seed=0), np.log(row))
        assert_as_often(found, np.where(row >= np.sort(row)[-size], row, 0))


@pytest.mark.parametrize("mass", [1e-6, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("by", ["likelihood", "typicality"])
def test_a_set_reaches_the_mass_and_no_smaller_one_does(mass, by):
    log_probs = rows()
    order = log_probs if by == "likelihood" else typicality(log_probs)
    kept, ids, _ = smallest_set(log_probs, mass, 101, order)
    kept = np.exp(kept.numpy().astype("float64"))
    size = (kept > 0).sum(axis=1)
    assert (size >= 1).all()
    total = kept.sum(axis=1)
    assert (total >= mass - 1e-6).all()
    last = np.take_along_axis(kept, size[:, None] - 1, axis=1)[:, 0]
    assert (total - last < mass).all()
    by_order = np.take_along_axis(order.numpy(), ids.numpy(), axis=1)
    assert (np.diff(by_order) <= 0).all()


def test_few_tokens_that_do_not_reach_the_mass_say_so():
    _, ids, enough = smallest_set(tf.math.log(TOUR), 0.92, k=4)
    assert ids.shape == (2, 4) and enough.numpy().tolist() == [False, True]


def test_typical_tokens_surprise_as_expected():
    log_probs = rows(seed=1)
    p = np.exp(log_probs)
    expected = -(p * log_probs.numpy()).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(
        typicality(log_probs), -np.abs(-log_probs - expected), rtol=1e-4, atol=1e-5
    )
    # A token that cannot come has no part in what is expected.
    with_never = tf.pad(log_probs, [(0, 0), (0, 1)], constant_values=-np.inf)
    found = typicality(with_never)[:, :-1]
    np.testing.assert_allclose(found, typicality(log_probs), rtol=1e-5, atol=1e-6)


def test_min_p_keeps_what_is_not_much_less_likely_than_the_likeliest():
    log_probs = rows(seed=2)
    p = np.exp(log_probs)
    kept = np.isfinite(min_p(log_probs, 0.2))
    np.testing.assert_array_equal(kept, p >= 0.2 * p.max(axis=1, keepdims=True))
    assert (kept.sum(axis=1) >= 1).all()


def test_more_tokens_than_there_are_is_all_of_them():
    values, ids = top_k(rows(), 1000)
    assert values.shape == (7, 101)
    np.testing.assert_array_equal(np.sort(ids, axis=1)[0], np.arange(101))


@pytest.mark.parametrize(
    "sampler, wanted",
    [
        (RandomSampler(seed=0), [0.4, 0.1, 0.2, 0.3]),
        (RandomSampler(seed=0, temperature=0.5), [0.16, 0.01, 0.04, 0.09]),
        (TopKSampler(k=2, seed=0), [0.4, 0, 0, 0.3]),
        (TopKSampler(k=0, seed=0), [0.4, 0.1, 0.2, 0.3]),
        (TopPSampler(p=0.65, seed=0), [0.4, 0, 0, 0.3]),
        (TopPSampler(p=0.75, seed=0), [0.4, 0, 0.2, 0.3]),
        (TopPSampler(p=0.95, k=2, seed=0), [0.4, 0, 0, 0.3]),
        (TopPSampler(p=0.3, k=2, seed=0), [1, 0, 0, 0]),
        (TopPSampler(p=1, k=0, seed=0), [0.4, 0.1, 0.2, 0.3]),
        (TopPSampler(p=1, k=3, seed=0), [0.4, 0, 0.2, 0.3]),
        (MinPSampler(min_p=0.6, seed=0), [0.4, 0, 0, 0.3]),
        (
            MinPSampler(min_p=0.6, seed=0, temperature=2),
            [0.4**0.5, 0, 0.2**0.5, 0.3**0.5],
        ),
        # Surprise 1.28 is to be expected: 0.3's is 1.20, 0.2's 1.61, 0.4's 0.92.
        (TypicalSampler(mass=0.2, seed=0), [0, 0, 0, 0.3]),
        (TypicalSampler(mass=0.65, seed=0), [0.4, 0, 0.2, 0.3]),
        (TypicalSampler(mass=1, seed=0), [0.4, 0.1, 0.2, 0.3]),
    ],
    ids=lambda x: type(x).__name__ if hasattr(x, "draw") else None,
)
def test_tokens_are_drawn_as_often_as_is_right(sampler, wanted):
    assert_as_often(drawn(sampler, np.log([0.4, 0.1, 0.2, 0.3])), wanted)


@pytest.mark.parametrize("base", [TopPSampler, TypicalSampler])
def test_a_set_larger_than_few_is_drawn_from_as_well(base, monkeypatch):
    monkeypatch.setattr(logits_sampler, "FEW", (2, 5))
    found = drawn(base(0.92, seed=0), np.log(TOUR[0]))
    monkeypatch.setattr(logits_sampler, "FEW", ())
    np.testing.assert_array_equal(found, drawn(base(0.92, seed=0), np.log(TOUR[0])))
    assert (found > 0).sum() >= 9
