"""Beam search: which texts it finds, and with what scores."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.samplers import BeamSampler, GreedySampler
from tests.samplers.toy import END, Toy, V, prompts

INDEX, L = 3, 13
STOPS = [END, END + 1]

# The tree of a well-known tour of decoding.
TREE = {
    "The": {"nice": 0.5, "dog": 0.4, "car": 0.1},
    "nice": {"woman": 0.4, "house": 0.3, "guy": 0.3},
    "dog": {"has": 0.9, "runs": 0.05, "and": 0.05},
    "car": {"is": 0.3, "drives": 0.5, "turns": 0.2},
}
WORDS = sorted({*TREE, *itertools.chain(*TREE.values())})


def tree(prompt, cache, index):
    chances = np.full((len(prompt), len(WORDS)), 1e-9)
    for row, last in zip(chances, prompt[:, index - 1].numpy()):
        for word, chance in TREE.get(WORDS[last], {}).items():
            row[WORDS.index(word)] = chance
    return tf.math.log(tf.constant(chances, tf.float32)), None, cache


def told(sampler):
    text = sampler(tree, [[WORDS.index("The"), 0, 0]], index=1)
    return " ".join(WORDS[i] for i in text.numpy()[0])


def search(toy, prompt, num_beams, stops=STOPS, next=None, index=INDEX, **options):
    cache = {"starts": tf.zeros(len(prompt), tf.int32)}
    sampler = BeamSampler(num_beams, return_all_beams=True, **options)
    texts, scores = sampler(
        next or toy.recomputed, prompt, cache, index, stop_token_ids=stops
    )
    return texts.numpy(), scores.numpy()


def log_prob(toy, texts, index=INDEX, stops=STOPS):
    """(log-probability, tokens) of what each text, int [N, L], says from `index` on."""
    cache = {"starts": tf.zeros(len(texts), tf.int32)}
    total, lengths = np.zeros(len(texts)), np.zeros(len(texts))
    going = np.ones(len(texts), bool)
    for column in range(index, texts.shape[1]):
        new = texts[:, column]
        logits, _, _ = toy.recomputed(texts, cache, column)
        steps = tf.nn.log_softmax(logits).numpy()[np.arange(len(texts)), new]
        total += np.where(going, steps, 0)
        lengths += going
        going &= ~np.isin(new, stops)
    return total, lengths


def test_two_beams_find_the_dog_that_greedy_search_walks_past():
    assert told(GreedySampler()) == "The nice woman"
    assert told(BeamSampler(2)) == "The dog has"
    _, scores = BeamSampler(2, return_all_beams=True)(
        tree, [[WORDS.index("The"), 0, 0]], index=1
    )
    np.testing.assert_allclose(np.exp(scores), [[0.4 * 0.9, 0.5 * 0.4]], rtol=1e-4)


def test_one_beam_is_greedy_search():
    for seed in (1, 3):
        toy, prompt = Toy(seed), prompts()
        texts, _ = search(toy, prompt, 1, early_stopping=True)
        cache = {"starts": tf.zeros(len(prompt), tf.int32)}
        greedy = GreedySampler()(
            toy.recomputed, prompt, cache, INDEX, stop_token_ids=STOPS
        )
        np.testing.assert_array_equal(texts[:, 0], greedy)


def test_beams_enough_find_the_likeliest_texts_of_all():
    steps = 2
    toy, prompt = Toy(), prompts(2, L=INDEX + steps)
    texts, scores = search(toy, prompt, V, stops=None)
    endings = np.array(list(itertools.product(range(V), repeat=steps)), "int32")
    for b in range(2):
        begun = np.repeat(prompt[b : b + 1, :INDEX], len(endings), axis=0)
        every = np.concatenate([begun, endings], axis=1)
        totals, _ = log_prob(toy, every, stops=[])
        best = np.argsort(-totals)[:V]
        np.testing.assert_array_equal(texts[b], every[best])
        np.testing.assert_allclose(scores[b], totals[best], rtol=1e-5)


@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 2.0, -1.0])
@pytest.mark.parametrize("early_stopping", [False, True, "never"])
def test_scores_are_those_of_the_texts_best_first(length_penalty, early_stopping):
    toy, prompt = Toy(1), prompts()
    texts, scores = search(
        toy, prompt, 4, length_penalty=length_penalty, early_stopping=early_stopping
    )
    assert texts.shape == (5, 4, L) and scores.shape == (5, 4)
    assert (np.diff(scores) <= 0).all()
    for b in range(5):
        totals, lengths = log_prob(toy, texts[b])
        np.testing.assert_allclose(scores[b], totals / lengths**length_penalty, 1e-4)
        assert len(np.unique(texts[b], axis=0)) == 4


def test_a_length_penalty_favours_long_texts():
    toy, prompt = Toy(3), prompts()
    mean_lengths = []
    for length_penalty in (-2.0, 0.0, 2.0):
        texts, _ = search(
            toy, prompt, 3, length_penalty=length_penalty, early_stopping="never"
        )
        mean_lengths.append(log_prob(toy, texts[:, 0])[1].mean())
    assert mean_lengths == sorted(mean_lengths)
    assert mean_lengths[0] < mean_lengths[-1]


def test_never_stopping_early_finds_scores_no_worse():
    toy, prompt = Toy(3), prompts()
    best = {
        early: search(toy, prompt, 3, early_stopping=early)[1][:, 0]
        for early in (True, False, "never")
    }
    assert (best["never"] >= best[True]).all() and (best[False] >= best[True]).all()


def test_the_best_beams_are_returned_in_order():
    toy, prompt = Toy(1), prompts()
    every, _ = search(toy, prompt, 4)
    cache = {"starts": tf.zeros(len(prompt), tf.int32)}
    some = BeamSampler(4, num_return_sequences=3)(
        toy.recomputed, prompt, cache, INDEX, stop_token_ids=STOPS
    )
    np.testing.assert_array_equal(some, every[:, :3].reshape(-1, L))


def test_no_run_of_two_tokens_comes_twice():
    texts, _ = search(Toy(), prompts(), 3, stops=None, no_repeat_ngram_size=2)
    for text in texts.reshape(-1, L):
        pairs = list(itertools.pairwise(text))
        assert len(set(pairs)) == len(pairs)


class Ancestral(Toy):
    """A cache that is never moved: a table tells whose column each row reads."""

    beams_asked = 0

    def next(self):
        def next(prompt, cache, index):
            seen, from_beam = cache["seen"], cache["ancestors"]
            R, S = from_beam.shape
            new = tf.gather(self.embedding, prompt[:, index - 1])
            here = tf.range(S) == index - 1
            seen = tf.where(here[:, None], new[:, None], seen)
            rows = tf.range(R)[:, None]
            own = rows % self.num_beams
            from_beam = tf.where(here, own, from_beam)
            source = rows - own + from_beam  # [R, S]
            columns = tf.broadcast_to(tf.range(S), [R, S])
            read = tf.gather_nd(seen, tf.stack([source, columns], axis=-1))
            hidden = self.hidden(read, cache["starts"], index)
            cache = {**cache, "seen": seen, "ancestors": from_beam}
            return self.logits(hidden, cache, index), None, cache

        def beams(cache, num_beams):
            self.num_beams = num_beams
            cache = {k: tf.repeat(x, num_beams, axis=0) for k, x in cache.items()}
            return {**cache, "ancestors": tf.zeros(cache["seen"].shape[:2], tf.int32)}

        def reorder(cache, parents):
            B, N = parents.shape
            table = tf.reshape(cache["ancestors"], [B, N, -1])
            table = tf.gather(table, parents, batch_dims=1)
            return {**cache, "ancestors": tf.reshape(table, [B * N, -1])}

        next.beams, next.reorder = beams, reorder
        return next


def test_a_next_may_keep_its_cache_in_place():
    toy, prompt = Ancestral(1), prompts(L=20)
    cache = toy.cache(prompt, 20)
    sampler = BeamSampler(3, return_all_beams=True)
    texts, scores = sampler(toy.next(), prompt, cache, INDEX, stop_token_ids=STOPS)
    wanted = search(toy, prompt, 3)
    np.testing.assert_array_equal(texts, wanted[0])
    np.testing.assert_allclose(scores, wanted[1], rtol=1e-5)
