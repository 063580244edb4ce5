"""AdamW makes the steps that Keras's makes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.optimizers import AdamW

SETTINGS = {
    "plain": {},
    "decay": {"weight_decay": 0.3},
    "clipped": {"weight_decay": 0.3, "global_clipnorm": 0.7},
    "amsgrad": {"weight_decay": 0.3, "amsgrad": True},
    "average": {"use_ema": True, "ema_overwrite_frequency": 2},
    "accumulated": {"gradient_accumulation_steps": 2},
}


def trained(optimizer, strategy=None, jit_compile=False):
    """Weights after some steps of a model with an embedding, a kernel and a bias."""
    with (strategy or tf.distribute.get_strategy()).scope():
        model = keras.Sequential(
            [
                keras.layers.Embedding(31, 3, embeddings_initializer=linear),
                keras.layers.Dense(5, "tanh", kernel_initializer=linear),
                keras.layers.Flatten(),
                keras.layers.Dense(1, kernel_initializer=linear),
            ]
        )
        optimizer.exclude_from_weight_decay(var_names=["bias"])
        model.compile(optimizer, "mse", jit_compile=jit_compile)
    rng = np.random.default_rng(0)
    # No id twice in a batch: Keras would square the two gradients before their sum.
    ids = np.concatenate([rng.permutation(31)[:14].reshape(2, 7) for _ in range(3)])
    targets = rng.normal(size=(6, 1))
    model.fit(ids, targets, epochs=3, batch_size=2, shuffle=False, verbose=0)
    return model.get_weights()


def linear(shape, dtype=None):
    return tf.reshape(tf.linspace(-1.0, 1.0, int(np.prod(shape))), shape)


def assert_same(ours, theirs):
    for x, y in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(x, y, rtol=2e-4, atol=2e-6)


@pytest.mark.parametrize("name", SETTINGS)
def test_it_makes_the_steps_that_keras_makes(name):
    settings = {"learning_rate": 0.05, "weight_decay": 0.004, **SETTINGS[name]}
    theirs = trained(keras.optimizers.AdamW(**settings))
    assert_same(trained(AdamW(**settings)), theirs)
    assert any(np.abs(x).sum() > 0 for x in theirs)


def test_it_makes_them_under_xla():
    settings = {"learning_rate": 0.05, "weight_decay": 0.3}
    # Keras under XLA, too, whose tanh is another.
    theirs = trained(keras.optimizers.AdamW(**settings), jit_compile=True)
    assert_same(trained(AdamW(**settings), jit_compile=True), theirs)


def test_it_makes_them_under_a_mirrored_strategy():
    settings = {"learning_rate": 0.05, "weight_decay": 0.3}
    theirs = trained(keras.optimizers.AdamW(**settings))
    strategy = tf.distribute.MirroredStrategy(["cpu:0"])
    with strategy.scope():
        ours = AdamW(**settings)
    assert_same(trained(ours, strategy), theirs)


def test_a_row_looked_up_twice_has_the_sum_of_its_gradients():
    table = keras.Variable([[1.0], [2.0], [3.0]])
    dense = keras.Variable([[1.0], [2.0], [3.0]])
    rows = tf.IndexedSlices([[0.5], [0.25], [-1.0]], [2, 2, 0], dense_shape=[3, 1])
    for variable, gradient in ((table, rows), (dense, tf.convert_to_tensor(rows))):
        optimizer = AdamW(0.1)
        optimizer.apply([gradient], [variable])
        optimizer.apply([gradient], [variable])
    np.testing.assert_array_equal(table, dense)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_it_moves_weights_of_every_type(dtype):
    """Half a type rounds beta_2 to one."""
    weight = keras.Variable([1.0, -2.0], dtype=dtype)
    optimizer = AdamW(0.125, epsilon=1e-4)
    for _ in range(3):
        gradient = keras.ops.cast([1.0, -1.0], dtype)
        optimizer.apply([gradient], [weight])
    moved = keras.ops.cast(weight, "float32").numpy() - [1.0, -2.0]
    # A constant gradient makes steps of about the rate.
    np.testing.assert_allclose(moved, [-0.375, 0.375], rtol=0.3)


def test_decay_leaves_out_what_it_is_told_to():
    weights = [keras.Variable([1.0], name=name) for name in ("kernel", "bias")]
    optimizer = AdamW(0.5, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.build(weights)
    optimizer.apply([keras.ops.zeros((1,))] * 2, weights)
    assert [float(w.value[0]) for w in weights] == [0.75, 1.0]


def test_it_comes_back_from_its_config():
    config = AdamW(0.1, weight_decay=0.2, beta_1=0.8).get_config()
    assert AdamW.from_config(config).get_config() == config
