"""Contrastive search: likely tokens that do not say again what was said."""

import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.samplers import ContrastiveSampler, GreedySampler
from tests.samplers.toy import Toy, prompts

INDEX, L = 3, 13


def search(toy, prompt, sampler):
    cache = toy.cache(prompt, INDEX)
    hidden = toy.hidden_states(prompt, INDEX)
    return sampler(toy.cached, prompt, cache, INDEX, hidden_states=hidden).numpy()


def by_hand(toy, text, k, alpha):
    """One text, by the formula, and without anything kept from step to step."""
    text = text.copy()
    cache = {"starts": tf.zeros(1, tf.int32)}

    def at(text, index):
        logits, hidden, _ = toy.recomputed(text[None], cache, index)
        return tf.nn.softmax(logits[0]).numpy(), hidden[0].numpy()

    for index in range(INDEX, len(text)):
        said = np.array([at(text, j + 1)[1] for j in range(index)])
        probs, _ = at(text, index)
        scores = {}
        for token in np.argsort(-probs)[:k]:
            text[index] = token
            _, new = at(text, index + 1)
            norms = np.linalg.norm(said, axis=1) * np.linalg.norm(new)
            alike = (said @ new / norms).max()
            scores[token] = (1 - alpha) * probs[token] - alpha * alike
        text[index] = max(scores, key=scores.get)
    return text


def test_texts_are_those_of_the_formula():
    toy, prompt = Toy(1), prompts(2, L=9)
    k, alpha = 3, 0.4
    texts = search(toy, prompt, ContrastiveSampler(k, alpha))
    for text, begun in zip(texts, prompt, strict=True):
        np.testing.assert_array_equal(text, by_hand(toy, begun, k, alpha))


@pytest.mark.parametrize("options", [{"alpha": 0.0}, {"k": 1}])
def test_without_contrast_it_is_greedy_search(options):
    toy, prompt = Toy(), prompts()
    texts = search(toy, prompt, ContrastiveSampler(**options))
    np.testing.assert_array_equal(texts, search(toy, prompt, GreedySampler()))


def test_hidden_states_must_be_there():
    prompt = prompts()
    with pytest.raises(ValueError, match="no `hidden_states`"):
        ContrastiveSampler()(Toy().recomputed, prompt, index=INDEX)
    with pytest.raises(ValueError, match=r"`hidden_states`.*shape=\(5, 13\)"):
        ContrastiveSampler()(
            Toy().recomputed, prompt, index=INDEX, hidden_states=tf.zeros((5, L))
        )


def test_more_candidates_than_tokens_are_refused():
    with pytest.raises(ValueError, match="k=50, logits of 23 tokens"):
        search(Toy(), prompts(), ContrastiveSampler(k=50))
