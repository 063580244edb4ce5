"""16 bits where they cost nothing; 32 where rounding would."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.layers import LayerNormalization, TransformerEncoder
from keras_nlp_lite.models import TextClassifier, load_model
from keras_nlp_lite.ops import attention
from keras_nlp_lite.optimizers import PlannedDecay
from keras_nlp_lite.training.precision import best_precision, precision, set_precision
from tests.tasks.encoders import LABELS, TEXTS, backbone, external, without_segments

HALVES = ["float16", "bfloat16"]
MOST = 65_504  # the largest float16


@pytest.fixture(autouse=True)
def same_policy_afterwards():
    before = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(before)


def quick():
    encoder = external()
    keras.utils.set_random_seed(6)
    return TextClassifier(
        encoder, 2, preprocessor=without_segments(), pooling="mean", dropout=0.0
    )


def small_bert(dtype=None):
    return TextClassifier(
        backbone(dtype=dtype, num_layers=1), 2, preprocessor=None, dropout=0.0
    )


# The policy


@pytest.mark.parametrize("name", HALVES)
def test_half_precision_computes_in_16_bits_on_weights_of_32(name):
    policy = precision(name)
    assert policy.compute_dtype == name and policy.variable_dtype == "float32"


def test_float32_computes_in_32_bits():
    assert precision("float32").compute_dtype == "float32"


def test_set_precision_holds_for_what_is_made_afterwards():
    earlier = keras.layers.Dense(1)
    assert set_precision("bfloat16") == keras.config.dtype_policy()
    assert keras.layers.Dense(1).compute_dtype == "bfloat16"
    assert earlier.compute_dtype == "float32"


def test_auto_is_one_of_the_others():
    named = {precision(name).name for name in ("float32", "bfloat16", "float16")}
    assert precision("auto").name in named


def test_auto_takes_what_the_oldest_gpu_is_fast_at():
    kinds = {(9, 0): "bfloat16", (8, 0): "bfloat16", (7, 5): "float16"}
    kinds |= {(6, 1): "float32", None: "float32"}
    ages = list(kinds)
    for i, newer in enumerate(ages):
        for older in ages[i:]:
            for pair in ([newer, older], [older, newer]):
                assert best_precision(pair, cpu_flags={"amx_bf16"}) == kinds[older]


@pytest.mark.parametrize("flag", ["avx512_bf16", "amx_bf16"])
def test_auto_takes_bfloat16_on_a_cpu_that_multiplies_it(flag):
    assert best_precision([], {"avx2", flag}) == "bfloat16"
    assert best_precision([], {"avx2", "avx512f"}) == "float32"


@pytest.mark.parametrize("name", HALVES)
def test_keras_own_name_of_a_policy_means_that_policy(name):
    assert set_precision(f"mixed_{name}") == precision(name)
    assert keras.config.dtype_policy().name == f"mixed_{name}"


def test_an_unknown_precision_is_refused_with_a_guess():
    with pytest.raises(ValueError, match="precision='flaot16'.*'float16'"):
        precision("flaot16")


# What stays in float32


@pytest.mark.parametrize("dtype", HALVES)
def test_scores_beyond_float16_still_give_the_formulas_weights(dtype):
    rng = np.random.default_rng(0)
    B, H, T, S, K = 2, 3, 5, 7, 16
    q = rng.normal(size=(B, T, H, K)) * 300
    k = rng.normal(size=(B, S, H, K)) * 300
    v = rng.normal(size=(B, S, H, K))
    q, k, v = (tf.cast(x, dtype) for x in (q, k, v))
    exact = [tf.cast(x, tf.float64).numpy() for x in (q, k, v)]
    scores = np.einsum("bthk,bshk->bhts", *exact[:2]) / np.sqrt(K)
    assert np.abs(scores).max() > MOST
    scores = np.exp(scores - scores.max(-1, keepdims=True))
    weights = scores / scores.sum(-1, keepdims=True)
    expected = np.einsum("bhts,bshk->bthk", weights, exact[2])
    # Products of a float32 sum of 16 terms, then one rounding to the dtype.
    eps = 2.0**-10 if dtype == "float16" else 2.0**-7
    found = tf.cast(attention(q, k, v), tf.float64).numpy()
    np.testing.assert_allclose(found, expected, rtol=2 * eps, atol=0.05 * eps)


@pytest.mark.parametrize("kind", [LayerNormalization, keras.layers.LayerNormalization])
@pytest.mark.parametrize("name", HALVES)
def test_norms_take_squares_that_float16_cannot_hold(name, kind):
    x = np.random.default_rng(0).normal(size=(3, 7, 11)) * 2_000
    assert (x**2).max() > MOST
    found = np.asarray(kind(dtype=precision(name))(x), "float64")
    expected = (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True)
    assert np.abs(found - expected).max() < 0.05


@pytest.mark.parametrize("name", HALVES)
def test_a_block_survives_activations_of_thousands(name):
    block = TransformerEncoder(24, 2, dtype=precision(name))
    x = np.random.default_rng(0).normal(size=(2, 5, 16)) * 5_000
    assert np.isfinite(np.asarray(block(x), "float32")).all()


@pytest.mark.parametrize("name", ["float32", *HALVES])
def test_a_plain_models_loss_is_float32_beyond_float16s_range(name):
    set_precision(name)
    model = keras.Sequential([keras.Input([2]), keras.layers.Activation("linear")])
    model.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    logits = model(np.array([[-60_000.0, 60_000.0]]))
    assert logits.dtype.name == name
    loss = model.compute_loss(None, np.array([0]), logits)
    assert loss.dtype == tf.float32
    assert float(loss) == pytest.approx(120_000, rel=2**-7)


@pytest.mark.parametrize("name", ["float32", *HALVES])
def test_a_tasks_logits_and_loss_are_float32(name):
    model = small_bert(precision(name))
    model.compile()
    inputs = {
        "token_ids": np.full([2, 3], 7),
        "padding_mask": np.ones([2, 3]),
        "segment_ids": np.zeros([2, 3]),
    }
    assert model.backbone.compute_dtype == name
    logits = model(inputs)
    assert logits.dtype == tf.float32
    assert model.compute_loss(None, np.array([0, 1]), logits).dtype == tf.float32


# Training


@pytest.mark.parametrize("optimizer", ["auto", "adam"])
def test_float16_alone_scales_the_loss(optimizer):
    for name in ("float32", *HALVES):
        set_precision(name)
        model = quick()
        model.compile(optimizer=optimizer)
        scales = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
        assert scales == (name == "float16")


def test_an_overflow_halves_the_scale_skips_the_step_and_training_goes_on():
    set_precision("float16")
    model = quick()
    scaled = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.Adam(0.01), initial_scale=2.0**30
    )
    model.compile(scaled)
    before = model.get_weights()
    losses, scales, unchanged = [], [], []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            model.reset_metrics()

        def on_train_batch_end(self, batch, logs=None):
            losses.append(logs["loss"])
            scales.append(float(scaled.dynamic_scale))
            now = model.get_weights()
            unchanged.append(all(map(np.array_equal, before, now)))

    model.fit(TEXTS, LABELS, batch_size=4, epochs=8, verbose=0, callbacks=[Watch()])
    skipped = unchanged.index(False)
    assert skipped >= 1 and scales[0] == 2.0**29
    assert scales[skipped - 1] == 2.0**30 / 2**skipped
    assert scaled.iterations == len(losses) - skipped - sum(
        now < then
        for then, now in zip(scales[skipped:], scales[skipped + 1 :], strict=False)
    )
    assert np.isfinite(losses).all() and losses[-1] < 0.5 * losses[0]
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


def test_a_planned_rate_reaches_zero_through_the_scaling():
    set_precision("float16")
    model = quick()
    model.compile(keras.optimizers.Adam(PlannedDecay(0.01)))
    rates = []
    watch = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda *_, **__: rates.append(
            float(model.optimizer.learning_rate)
        )
    )
    model.fit(TEXTS, LABELS, batch_size=7, epochs=5, verbose=0, callbacks=[watch])
    plan = PlannedDecay(0.01)
    plan.plan(0, 20)
    expected = [float(plan(step)) for step in range(20)]
    np.testing.assert_allclose(rates, expected, rtol=1e-6)


def test_a_saved_float16_model_goes_on_scaling(tmp_path):
    set_precision("float16")
    model = quick()
    model.fit(TEXTS, LABELS, epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    set_precision("float32")
    loaded = load_model(tmp_path / "model.keras")
    assert loaded.dtype_policy.name == "mixed_float16"
    assert isinstance(loaded.optimizer, keras.optimizers.LossScaleOptimizer)
    assert loaded.optimizer.iterations == model.optimizer.iterations > 0
    losses = [
        each.fit(TEXTS, LABELS, shuffle=False, epochs=1, verbose=0).history["loss"]
        for each in (model, loaded)
    ]
    np.testing.assert_allclose(*losses, rtol=1e-6)
