import numpy as np
import pytest

from keras_nlp_lite.metrics import Perplexity

B, T, V = 3, 5, 11


def batch(seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, V, (B, T)), rng.normal(size=(B, T, V)), rng.random((B, T))


def formula(ids, logits, weight):
    """exp of the weighted mean surprise, in float64."""
    chances = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    surprise = -np.log(np.take_along_axis(chances, ids[..., None], -1))[..., 0]
    return np.exp((surprise * weight).sum() / weight.sum())


@pytest.mark.parametrize("mask", [None, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_it_is_the_exponent_of_the_weighted_mean_surprise(mask, weighted):
    ids, logits, sample_weight = batch()
    sample_weight = sample_weight if weighted else None
    weight = np.ones((B, T)) if sample_weight is None else sample_weight
    if mask is not None:
        weight = weight * (ids != mask)
    wanted = formula(ids, logits, weight)
    found = Perplexity(True, mask)(ids, logits, sample_weight)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_logits_and_probabilities_agree():
    ids, logits, _ = batch()
    chances = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(
        Perplexity()(ids, chances), Perplexity(from_logits=True)(ids, logits), rtol=1e-5
    )


def test_even_belief_in_n_tokens_has_perplexity_n():
    for n in (1, 4, 7):
        chances = np.repeat(np.r_[np.ones(n) / n, np.zeros(V - n)][None, None], T, 1)
        np.testing.assert_allclose(
            Perplexity()(np.zeros([1, T], int), chances), n, rtol=1e-5
        )


def test_tokens_weigh_the_same_whatever_their_batch():
    one, two = batch(0), batch(1)
    metric = Perplexity(from_logits=True)
    metric.update_state(one[0][:1], one[1][:1])
    metric.update_state(two[0], two[1])
    ids, logits = (np.concatenate([a[:1], b]) for a, b in zip(one[:2], two[:2]))
    wanted = formula(ids, logits, np.ones(ids.shape))
    np.testing.assert_allclose(metric.result(), wanted, rtol=1e-5)


def test_a_mask_may_be_no_token_of_the_vocabulary():
    ids, logits, _ = batch()
    masked = ids.copy()
    masked[:, 2:] = -100
    np.testing.assert_allclose(
        Perplexity(True, -100)(masked, logits),
        Perplexity(True)(ids[:, :2], logits[:, :2]),
        rtol=1e-6,
    )


def test_what_does_not_count_may_be_no_number():
    ids, logits, _ = batch()
    ids[1] = 0
    wanted = Perplexity(True, 0)(ids, logits)
    logits[1] = np.nan
    np.testing.assert_array_equal(Perplexity(True, 0)(ids, logits), wanted)


def test_half_precision_counts_on():
    metric = Perplexity(from_logits=True, dtype="bfloat16")
    for _ in range(40):
        metric.update_state(np.zeros([3, 100]), np.zeros([3, 100, 2]))
    assert float(metric.result()) == 2.0
