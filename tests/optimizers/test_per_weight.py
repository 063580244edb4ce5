"""Every extended optimizer makes Keras's steps, with a rate and a decay per weight."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite import models, optimizers
from keras_nlp_lite.optimizers.per_weight import is_norm_or_bias

NAMES = ("Adam", "AdamW", "SGD", "Lion", "Lamb", "Adafactor", "Muon")


def weights():
    """A table, a kernel and a bias, named and shaped as in a model."""
    rng = np.random.default_rng(0)
    shapes = {"embedding/embeddings": (5, 3), "dense/kernel": (3, 4), "head/bias": (4,)}
    made = []
    for path, shape in shapes.items():
        layer, name = path.split("/")
        with keras.name_scope(layer):
            value = rng.normal(size=shape).astype("float32")
            made.append(keras.Variable(value, name=name))
    return made


def stepped(optimizer, steps=3, variables=None):
    """list of arrays: the weights after some steps."""
    variables = variables or weights()
    rng = np.random.default_rng(1)
    for _ in range(steps):
        grads = [tf.constant(rng.normal(size=v.shape), tf.float32) for v in variables]
        optimizer.apply(grads, variables)
    return [v.numpy() for v in variables]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("clip", [None, 0.5])
def test_it_makes_kerass_steps(name, clip):
    settings = {"learning_rate": 0.02, "weight_decay": 0.1, "global_clipnorm": clip}
    if name == "Muon":
        # Keras's own would have to be told the output layer, which has no matrix here.
        settings["adam_weight_decay"] = 0.3
    ours = stepped(getattr(optimizers, name)(**settings))
    theirs = stepped(getattr(keras.optimizers, name)(**settings))
    for x, y in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("name", NAMES)
def test_layer_decay_is_a_lower_rate(name):
    """A weight moves as under an optimizer that has its rate for all."""
    settings = {"weight_decay": 0.3}
    decayed = getattr(optimizers, name)(0.02, layer_decay=0.5, **settings)
    found = stepped(decayed)
    for depth, index in ((2, 0), (1, 1), (0, 2)):
        alone = getattr(optimizers, name)(0.02 * 0.5**depth, **settings)
        wanted = stepped(alone)[index]
        np.testing.assert_allclose(found[index], wanted, rtol=1e-5, atol=1e-7)


def test_decay_spares_norms_and_biases_of_every_shape():
    backbone = models.BertBackbone(
        vocabulary_size=11,
        num_layers=1,
        num_heads=2,
        hidden_dim=4,
        intermediate_dim=6,
        max_sequence_length=5,
    )
    variables = backbone.trainable_variables
    optimizer = optimizers.SGD(0.5, weight_decay=0.5, spare_norms=True)
    for variable in variables:
        variable.assign(keras.ops.ones_like(variable))
    optimizer.apply([keras.ops.zeros_like(v) for v in variables], variables)
    for variable in variables:
        # [heads, width] is the shape of an attention's biases, too.
        spared = variable.name in ("bias", "gamma", "beta")
        assert is_norm_or_bias(variable) == spared, variable.path
        assert (variable.numpy() == (1.0 if spared else 0.75)).all(), variable.path


def test_the_norm_of_a_rows_gradient_is_that_of_its_sum():
    table = keras.Variable([[1.0], [2.0], [3.0]])
    dense = keras.Variable([[1.0], [2.0], [3.0]])
    rows = tf.IndexedSlices([[3.0], [3.0], [-1.0]], [2, 2, 0], dense_shape=[3, 1])
    for variable, gradient in ((table, rows), (dense, tf.convert_to_tensor(rows))):
        optimizers.SGD(1.0, global_clipnorm=0.1).apply([gradient], [variable])
    np.testing.assert_array_equal(table, dense)
    moved = table.numpy() - [[1.0], [2.0], [3.0]]
    np.testing.assert_allclose(np.linalg.norm(moved), 0.1, rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_accumulated_batches_make_the_steps_of_their_mean(name):
    make = getattr(optimizers, name)
    settings = {"weight_decay": 0.1, "global_clipnorm": 0.7, "use_ema": True}
    rng = np.random.default_rng(2)
    grads = [rng.normal(size=(4, *v.shape)).astype("float32") for v in weights()]
    one, other = weights(), weights()
    optimizer = make(0.02, gradient_accumulation_steps=2, **settings)
    for batch in range(4):
        optimizer.apply([tf.constant(g[batch]) for g in grads], one)
    reference = make(0.02, **settings)
    for step in (0, 2):
        mean = [tf.constant((g[step] + g[step + 1]) / 2) for g in grads]
        reference.apply(mean, other)
    averages = (
        optimizer._model_variables_moving_average,
        reference._model_variables_moving_average,
    )
    for x, y in [*zip(one, other, strict=True), *zip(*averages, strict=True)]:
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)


def test_an_average_follows_its_formula_and_becomes_the_weights():
    variables = weights()
    optimizer = optimizers.SGD(0.1, use_ema=True, ema_momentum=0.75)
    wanted = stepped(optimizer, 1, variables)
    for _ in range(3):
        now = stepped(optimizer, 1, variables)
        wanted = [0.75 * x + 0.25 * y for x, y in zip(wanted, now, strict=True)]
    # Not by their place in the list: the first is frozen.
    optimizer.finalize_variable_values(variables[1:])
    assert np.abs(variables[0].numpy() - wanted[0]).max() > 1e-3
    for x, y in zip(variables[1:], wanted[1:], strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["Adam", "AdamW", "Lamb"])
def test_a_weight_freed_late_takes_first_steps(name):
    """Not larger ones, for averages that begin at zero while the others are old."""
    early, late = weights()[1:]
    optimizer = getattr(optimizers, name)(0.01)
    optimizer.build([early, late])
    for _ in range(60):
        optimizer.apply([tf.ones(early.shape)], [early])
    optimizer.free_since([late], int(optimizer.iterations))
    found = stepped(optimizer, 4, [late])
    wanted = stepped(getattr(optimizers, name)(0.01), 4, [weights()[2]])
    np.testing.assert_allclose(found[0], wanted[0], rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_it_comes_back_from_its_config(name):
    kind = getattr(optimizers, name)
    config = kind(0.1, layer_decay=0.8, spare_norms=True, shard=True).get_config()
    assert kind.from_config(config).get_config() == config


@pytest.mark.parametrize("name", NAMES)
def test_its_variables_are_kerass(name):
    """As many, in their order: files of one load into the other."""
    ours, theirs = (
        getattr(where, name)(0.1, use_ema=True)
        for where in (optimizers, keras.optimizers)
    )
    variables = weights()
    for each in (ours, theirs):
        each.build(variables)
    assert [v.shape for v in ours.variables] == [v.shape for v in theirs.variables]
