"""The loop that all samplers share: what it writes, what it leaves, whom it feeds."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.samplers import (
    BeamSampler,
    ContrastiveSampler,
    GreedySampler,
    MinPSampler,
    RandomSampler,
    Sampler,
    TopKSampler,
    TopPSampler,
    TypicalSampler,
)
from tests.samplers.toy import END, Toy, V, prompts

B, INDEX, L = 5, 3, 13
STOPS = [END, END + 1]

SAMPLERS = [
    GreedySampler(),
    GreedySampler(repetition_penalty=1.3, no_repeat_ngram_size=2, min_length=7),
    BeamSampler(3, length_penalty=1.0, num_return_sequences=2),
    BeamSampler(2, early_stopping=True, bad_words_ids=[[9], [7, 11]]),
    ContrastiveSampler(3),
]


def names(sampler):
    given = {k: v for k, v in sampler.get_config().items() if v}
    return f"{type(sampler).__name__}-{'-'.join(given)}"


every = pytest.mark.parametrize("sampler", SAMPLERS, ids=names)


def run(sampler, toy, prompt, index=INDEX, *, starts=None, cached=True, **kwargs):
    cache = toy.cache(prompt, index, starts)
    if isinstance(sampler, ContrastiveSampler):
        kwargs["hidden_states"] = toy.hidden_states(prompt, index, starts)
    return sampler(
        toy.cached if cached else toy.recomputed,
        prompt,
        cache,
        index,
        starts=starts,
        **{"stop_token_ids": STOPS, **kwargs},
    ).numpy()


def ended(texts):
    return np.isin(texts[:, INDEX:], STOPS).any(axis=1)


@every
def test_a_cache_changes_nothing(sampler):
    toy, prompt = Toy(), prompts()
    with_cache = run(sampler, toy, prompt)
    np.testing.assert_array_equal(with_cache, run(sampler, toy, prompt, cached=False))


@every
def test_texts_of_a_batch_are_those_of_each_alone(sampler):
    starts = np.array([0, 2, 1, 0, 2], "int32")
    toy, prompt = Toy(1), prompts(starts=starts)
    together = run(sampler, toy, prompt, starts=starts)
    n = len(together) // len(prompt)
    for b in range(3):
        alone = run(sampler, toy, prompt[b : b + 1], starts=starts[b : b + 1])
        np.testing.assert_array_equal(together[b * n : (b + 1) * n], alone)


@every
@pytest.mark.parametrize("stops", [STOPS, None])
def test_a_row_ends_in_its_own_last_column(sampler, stops):
    toy, prompt, ends = Toy(1), prompts(), np.array([6, 13, 9, 11, 5], "int32")
    options = {"stop_token_ids": stops}
    together = run(sampler, toy, prompt, ends=ends, **options)
    n = len(together) // len(prompt)
    for b, end in enumerate(ends[:3]):
        alone = run(sampler, toy, prompt[b : b + 1, :end], **options)
        np.testing.assert_array_equal(together[b * n : (b + 1) * n, :end], alone)
        assert (together[b * n : (b + 1) * n, end:] == 0).all()


@every
def test_padding_before_a_text_changes_nothing(sampler):
    toy, prompt = Toy(2), prompts()
    starts = np.full(B, 5, "int32")
    padded = np.pad(prompt, [(0, 0), (5, 0)], constant_values=9)
    shifted = run(sampler, toy, padded, INDEX + 5, starts=starts)
    # A row's length counts from its start.
    np.testing.assert_array_equal(shifted[:, 5:], run(sampler, toy, prompt))


@every
@pytest.mark.parametrize("jit", [False, True])
def test_a_graph_finds_what_eager_code_finds(sampler, jit):
    toy = Toy(3)

    @tf.function(
        input_signature=[tf.TensorSpec([None, None], tf.int32)], jit_compile=jit
    )
    def generate(prompt):
        cache = {"starts": tf.zeros([tf.shape(prompt)[0]], tf.int32)}
        options = {"stop_token_ids": STOPS}
        if isinstance(sampler, ContrastiveSampler):
            # Shapes that are known later, too.
            options["hidden_states"] = tf.zeros([*tf.unstack(tf.shape(prompt)), 5])
        return sampler(toy.recomputed, prompt, cache, INDEX, **options)

    def eager(prompt):
        return generate.python_function(tf.constant(prompt))

    for prompt in (prompts(), prompts(2, L=11))[: 1 if jit else 2]:
        np.testing.assert_array_equal(generate(prompt), eager(prompt))


def test_a_cache_that_grows_may_do_so_in_a_graph():
    toy, prompt = Toy(), prompts()
    for sampler in (GreedySampler(), BeamSampler(2)):
        generate = tf.function(sampler.__call__)
        cache = toy.cache(prompt, INDEX)
        found = generate(toy.cached, prompt, cache, INDEX, stop_token_ids=STOPS)
        np.testing.assert_array_equal(found, run(sampler, toy, prompt))


@every
def test_behind_its_end_a_row_keeps_what_stood_there(sampler):
    toy, prompt = Toy(1), prompts()
    prompt[:, INDEX:] = np.arange(100, 100 + L - INDEX)
    texts = run(sampler, toy, prompt, cached=False)
    assert ended(texts).any()
    for text in texts:
        stops = INDEX + np.flatnonzero(np.isin(text[INDEX:], STOPS))
        assert len(stops) <= 1
        if len(stops):
            wanted = np.arange(100 - INDEX, 100 - INDEX + L)[stops[0] + 1 :]
            np.testing.assert_array_equal(text[stops[0] + 1 :], wanted)


@every
def test_a_model_is_fed_unfinished_texts_only(sampler):
    starts = np.array([0, 0, 2, 2, 2], "int32")
    toy, prompt = Toy(1), prompts(L=20, starts=starts)
    texts = run(sampler, toy, prompt, starts=starts)
    fed, toy.fed = toy.fed, []
    undropped = run(sampler, toy, prompt, starts=starts, drop_finished=False)
    np.testing.assert_array_equal(undropped, texts)
    # Contrastive search begins with one row of each text, before its candidates.
    fed, undropped = fed[1:], toy.fed[1:]
    assert fed == sorted(fed, reverse=True) and fed[-1] < fed[0]
    assert set(undropped) == {fed[0]}


def test_the_loop_ends_with_the_last_text():
    toy = Toy(1)
    texts = run(GreedySampler(), toy, prompts(1, L=20))
    assert len(toy.fed) == np.isin(texts[0, INDEX:], STOPS).argmax() + 1 < 20 - INDEX
    assert ended(texts).all()


@every
def test_given_columns_stay_and_what_follows_heeds_them(sampler):
    toy, prompt = Toy(4), prompts(4, index=L)
    given = np.arange(L) < np.array([[3], [5], [3], [9]])
    given[2, 6] = True  # in the middle of what is written
    prompt[3, 5] = STOPS[0]  # given, not written: no end
    texts = run(sampler, toy, prompt, mask=given)
    n = len(texts) // len(prompt)
    texts = texts[::n]
    np.testing.assert_array_equal(texts[given], prompt[given])
    # Texts given in full, which begin later, go on as these do.
    for b, index in ((1, 5), (3, 9)):
        later = run(sampler, toy, prompt[b : b + 1], index)
        np.testing.assert_array_equal(texts[b], later[0])


def test_step_by_step_is_as_one_call():
    toy, prompt = Toy(1), prompts()
    for sampler in (GreedySampler(), BeamSampler(3)):
        wanted = run(sampler, toy, prompt)
        state = sampler.begin(
            prompt, toy.cache(prompt, INDEX), INDEX, stop_token_ids=STOPS
        )
        shown = []
        while sampler.goes_on(state):
            state = sampler.step(toy.cached, state)
            shown.append(sampler.end(state).numpy())
        np.testing.assert_array_equal(shown[-1], wanted)
        if isinstance(sampler, GreedySampler):  # each token as it comes
            for step, texts in enumerate(shown, start=1):
                end = INDEX + step
                np.testing.assert_array_equal(texts[:, :end], wanted[:, :end])


def test_a_prompt_without_room_stays_as_it_is():
    prompt = prompts(index=L)
    for sampler in SAMPLERS:
        texts = run(sampler, Toy(), prompt, index=L)
        np.testing.assert_array_equal(texts[:: len(texts) // B], prompt)


def test_an_own_sampler_is_asked_with_probabilities():
    asked = []

    class Rarest(Sampler):
        def get_next_token(self, probabilities):
            asked.append(probabilities)
            return keras.ops.argmin(probabilities, axis=-1)

    toy, prompt = Toy(), prompts()
    texts = run(Rarest(temperature=2.0), toy, prompt, cached=False, stop_token_ids=None)
    assert len(asked) == L - INDEX
    for step, probabilities in enumerate(asked):
        assert probabilities.dtype == tf.float32 and probabilities.shape == (B, V)
        cache = {"starts": tf.zeros(B, tf.int32)}
        logits = toy.recomputed(texts, cache, INDEX + step)[0]
        wanted = tf.nn.softmax(logits / 2)
        np.testing.assert_allclose(probabilities, wanted, rtol=1e-5)
        np.testing.assert_array_equal(texts[:, INDEX + step], np.argmin(wanted, 1))


@pytest.mark.parametrize("base", [GreedySampler, TopKSampler, BeamSampler])
def test_probabilities_may_be_of_ones_own_making(base):
    class OnlyNine(base):
        def compute_probabilities(self, logits):
            return keras.ops.one_hot(keras.ops.full((len(logits),), 9), V)

    texts = run(OnlyNine(), Toy(), prompts(), cached=False, stop_token_ids=None)
    assert (texts[:, INDEX:] == 9).all()


def test_a_subclass_of_ours_may_choose_anew():
    class Second(GreedySampler):
        def get_next_token(self, probabilities):
            best = super().get_next_token(probabilities)
            without = probabilities * (1 - keras.ops.one_hot(best, V))
            return super().get_next_token(without)

    texts = run(Second(), Toy(), prompts(), stop_token_ids=None)
    logits, _, _ = Toy().recomputed(texts, {"starts": tf.zeros(B, tf.int32)}, INDEX)
    np.testing.assert_array_equal(texts[:, INDEX], np.argsort(-logits, axis=1)[:, 1])


def test_a_sampler_that_does_not_choose_says_so():
    with pytest.raises(NotImplementedError, match="get_next_token.*Received: Sampler"):
        run(Sampler(), Toy(), prompts())


def test_lists_and_a_next_without_cache_will_do():
    def next(prompt, cache, index):
        return [[0.0, 1.0, 0.5]], None, None

    texts = GreedySampler()(next, [[2, 0, 0]], None, 1, None, [2], None, None)
    np.testing.assert_array_equal(texts, [[2, 1, 1]])


def test_each_text_gets_as_many_continuations_as_asked_for():
    toy, prompt = Toy(), prompts(4)
    texts = run(RandomSampler(seed=0, num_return_sequences=3), toy, prompt)
    assert texts.shape == (12, L)
    np.testing.assert_array_equal(texts[:, :INDEX], np.repeat(prompt, 3, 0)[:, :INDEX])
    assert len(np.unique(texts, axis=0)) == 12


@pytest.mark.parametrize("base, jit", [(RandomSampler, True), (TopPSampler, False)])
def test_the_same_seed_gives_the_same_texts(base, jit):
    toy, prompt = Toy(), prompts(L=8)

    def generate(seed):
        sampler = base(seed=seed, **({"p": 0.9} if base is TopPSampler else {}))

        @tf.function(jit_compile=jit)
        def call():
            cache = {"starts": tf.zeros(B, tf.int32)}
            return sampler(toy.recomputed, prompt, cache, INDEX)

        return call().numpy(), call().numpy()

    first, then = generate(5)
    again = generate(keras.random.SeedGenerator(5))
    np.testing.assert_array_equal(again, (first, then))
    assert (first != then).any()


def test_seeds_are_among_the_variables():
    assert len(TopPSampler(seed=3).variables) == 1
    assert GreedySampler().variables == []


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: RandomSampler(temperature=0), "above 0.*temperature=0.*GreedySampler"),
        (lambda: RandomSampler(temperature=-1.0), "temperature=-1.0"),
        (lambda: GreedySampler(repetition_penalty=0), "repetition_penalty=0"),
        (lambda: GreedySampler(no_repeat_ngram_size=-1), "no_repeat_ngram_size=-1"),
        (lambda: GreedySampler(min_length=2.5), "min_length=2.5"),
        (lambda: GreedySampler(bad_words_ids=[3]), r"list of lists.*\[3\]"),
        (lambda: GreedySampler(bad_words_ids=[[]]), r"none of them empty.*\[\[\]\]"),
        (lambda: GreedySampler(num_return_sequences=2), "one continuation.*=2.*Random"),
        (lambda: ContrastiveSampler(num_return_sequences=2), "one continuation.*=2"),
        (lambda: RandomSampler(num_return_sequences=0), "num_return_sequences=0"),
        (lambda: RandomSampler(seed="7"), "seed='7'"),
        (lambda: TopKSampler(k=-1), "k=-1"),
        (lambda: TopKSampler(k=2.0), "k=2.0"),
        (lambda: TopPSampler(p=0), "p=0"),
        (lambda: TopPSampler(p=1.5), "p=1.5"),
        (lambda: MinPSampler(min_p=0), "min_p=0"),
        (lambda: TypicalSampler(mass=2), "mass=2"),
        (lambda: BeamSampler(0), "num_beams=0"),
        (lambda: BeamSampler(2, num_return_sequences=3), "sequences=3, num_beams=2"),
        (
            lambda: BeamSampler(4, return_all_beams=True, num_return_sequences=2),
            "returns them all.*sequences=2",
        ),
        (lambda: BeamSampler(early_stopping="always"), "early_stopping='always'"),
        (lambda: BeamSampler(length_penalty="1"), "length_penalty='1'"),
        (lambda: ContrastiveSampler(k=0), "k=0"),
        (lambda: ContrastiveSampler(alpha=1.2), "alpha=1.2"),
    ],
)
def test_what_makes_no_sense_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"prompt": np.zeros((2, 3, 4), "int32")}, r"`prompt`.*shape=\(2, 3, 4\)"),
        ({"prompt": np.zeros((2, 3))}, "`prompt`.*dtype=float64"),
        ({"mask": np.ones(6, bool)}, r"`mask`.*\[texts, columns\].*shape=\(6,\)"),
        ({"starts": np.zeros((6, 1), "int32")}, r"`starts`.*shape=\(6, 1\)"),
    ],
)
def test_tensors_of_a_wrong_shape_are_refused(arguments, words):
    arguments = {"prompt": prompts(), **arguments}
    with pytest.raises(ValueError, match=words):
        GreedySampler()(Toy().recomputed, index=INDEX, **arguments)
