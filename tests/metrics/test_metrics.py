"""What all metrics owe: sums that merge, graphs, configs, resets, a dtype."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite import metrics

TRUE = ["the cat sat on the mat .", "a man sleeps", "no", "two dogs run in the snow"]
PREDICTED = ["the cat is on a mat .", "a man sleeps", "", "two dogs run through snow"]
LOGITS = np.random.default_rng(0).normal(size=(4, 5, 7)).astype("float32")
IDS = np.random.default_rng(1).integers(0, 7, (4, 5))


def words(texts):
    return tf.strings.split(texts)


# Of each metric: how it is made, y_true and y_pred.
CASES = {
    "bleu": (
        lambda **kwargs: metrics.Bleu(smooth=True, max_order=3, **kwargs),
        (tf.constant(TRUE)[:, None], tf.constant(PREDICTED)),
    ),
    "bleu-tokenizer": (
        lambda **kwargs: metrics.Bleu(tokenizer=words, max_order=2, **kwargs),
        (tf.constant(TRUE)[:, None], tf.constant(PREDICTED)),
    ),
    "bleu-13a": (
        lambda **kwargs: metrics.Bleu(tokenize="13a", smooth_method="exp", **kwargs),
        (tf.constant(TRUE)[:, None], tf.constant(PREDICTED)),
    ),
    "rouge-l": (metrics.RougeL, (tf.constant(TRUE), tf.constant(PREDICTED))),
    "rouge-n": (
        lambda **kwargs: metrics.RougeN(1, **kwargs),
        (tf.constant(TRUE), tf.constant(PREDICTED)),
    ),
    "distance": (metrics.EditDistance, (words(TRUE), words(PREDICTED))),
    "distance-sum": (
        lambda **kwargs: metrics.EditDistance(False, **kwargs),
        (words(TRUE), words(PREDICTED)),
    ),
    "perplexity": (
        lambda **kwargs: metrics.Perplexity(True, mask_token_id=0, **kwargs),
        (tf.constant(IDS), tf.constant(LOGITS)),
    ),
}
every_metric = pytest.mark.parametrize("case", CASES)


def score(metric, *data):
    if data:
        metric.update_state(*data)
    return np.array([float(x) for x in keras.tree.flatten(metric.result())])


@every_metric
def test_a_score_is_that_of_all_texts_however_they_are_batched(case):
    make, (y_true, y_pred) = CASES[case]
    whole, apart = make(), make()
    for start, end in [(0, 1), (1, 2), (2, 4)]:
        apart.update_state(y_true[start:end], y_pred[start:end])
    wanted = score(whole, y_true, y_pred)
    assert (wanted > 0).all()
    np.testing.assert_allclose(score(apart), wanted, rtol=1e-6)


@every_metric
def test_states_add_up_to_the_state_of_all(case):
    make, (y_true, y_pred) = CASES[case]
    one, two, both = make(), make(), make()
    one.update_state(y_true[:3], y_pred[:3])
    two.update_state(y_true[3:], y_pred[3:])
    for mine, theirs in zip(one.variables, two.variables, strict=True):
        mine.assign_add(theirs)
    np.testing.assert_allclose(
        score(one), score(both, y_true, y_pred), rtol=1e-6, atol=0
    )


@every_metric
def test_a_metric_is_zero_before_any_text_and_after_a_reset(case):
    make, data = CASES[case]
    metric = make()
    assert not score(metric).any()
    before = score(metric, *data)
    metric.reset_state()
    assert not score(metric).any()
    np.testing.assert_array_equal(score(metric, *data), before)


@every_metric
def test_a_graph_gives_the_score_of_eager_calls(case):
    make, data = CASES[case]
    metric = make()
    specs = [
        tf.RaggedTensorSpec([None, None], x.dtype)
        if isinstance(x, tf.RaggedTensor)
        else tf.TensorSpec([None, *x.shape[1:]], x.dtype)
        for x in data
    ]

    @tf.function(input_signature=specs)
    def step(y_true, y_pred):
        metric.update_state(y_true, y_pred)
        return metric.result()

    in_graph = [float(x) for x in keras.tree.flatten(step(*data))]
    np.testing.assert_allclose(in_graph, score(make(), *data), rtol=1e-6)


@every_metric
def test_a_metric_updates_a_state_that_it_does_not_hold(case):
    make, data = CASES[case]
    metric = make()
    state = metric.stateless_update_state([v.value for v in metric.variables], *data)
    result = metric.stateless_result(state)
    found = [float(x) for x in keras.tree.flatten(result)]
    np.testing.assert_allclose(found, score(make(), *data), rtol=1e-6)
    assert not score(metric).any()


@every_metric
@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float64"])
def test_a_result_has_the_dtype_asked_for(case, dtype):
    make, data = CASES[case]
    metric = make(dtype=dtype)
    found = score(metric, *data)
    kinds = {keras.backend.standardize_dtype(x.dtype) for x in results(metric)}
    assert kinds == {dtype}
    rtol = 2**-8 if dtype == "bfloat16" else 1e-6
    np.testing.assert_allclose(found, score(make(), *data), rtol=rtol)


def results(metric):
    return keras.tree.flatten(metric.result())


@every_metric
def test_a_metric_comes_back_from_its_config(case):
    make, data = CASES[case]
    metric = make(name="mine", dtype="float64")
    again = type(metric).from_config(metric.get_config())
    assert again.get_config() == metric.get_config()
    np.testing.assert_array_equal(score(again, *data), score(metric, *data))


@every_metric
def test_a_dtype_without_fractions_is_refused(case):
    make, _ = CASES[case]
    with pytest.raises(ValueError, match="floating point type.*dtype='int32'"):
        make(dtype="int32")


class Echo(keras.Sequential):
    """Gives its input back, and has nothing to lose."""

    def compute_loss(self, *args, **kwargs):
        return tf.zeros([])


TEXT_CASES = [case for case in CASES if case.startswith(("bleu", "rouge"))]


@pytest.mark.parametrize("case", TEXT_CASES)
@pytest.mark.parametrize("eager", [True, False])
def test_keras_evaluates_a_model_that_gives_texts(case, eager):
    """The texts come in by two batches, [3] and [1], and out as they are."""
    make, (y_true, y_pred) = CASES[case]
    model = Echo([keras.Input([], dtype="string"), keras.layers.Identity()])
    model.compile(metrics=[make()], run_eagerly=eager, jit_compile=False)
    data = tf.data.Dataset.from_tensor_slices((y_pred, y_true)).batch(3)
    logs = model.evaluate(data, verbose=0, return_dict=True)
    metric = make()
    wanted = score(metric, y_true, y_pred)
    names = list(metric.result()) if case.startswith("rouge") else [metric.name]
    found = [logs[name] for name in sorted(names)]
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_keras_evaluates_a_language_model():
    make, (y_true, y_pred) = CASES["perplexity"]
    model = keras.Sequential([keras.Input([5, 7]), keras.layers.Identity()])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(loss=loss, metrics=[make()])
    logs = model.evaluate(y_pred, y_true, batch_size=3, verbose=0, return_dict=True)
    np.testing.assert_allclose(logs["perplexity"], score(make(), y_true, y_pred)[0])


def test_keras_evaluates_tokens():
    model = Echo([keras.Input([4], dtype="int32"), keras.layers.Identity()])
    model.compile(metrics=[metrics.EditDistance()], jit_compile=False)
    x = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], "int32")
    y = np.array([[1, 2, 3, 4], [5, 0, 6, 8]], "int32")
    logs = model.evaluate(x, y, verbose=0, return_dict=True)
    np.testing.assert_allclose(logs["edit_distance"], 2 / 8)
