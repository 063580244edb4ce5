"""Whether XLA compiles what is being traced, seen from inside."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.ops.tracing import in_xla


def asked(function, *args):
    """What `in_xla` says while `function`, given a probe to call, is traced."""
    said = []

    def probe(x):
        said.append(in_xla())
        return x + 1.0

    function(probe)(*args)
    return said


X = tf.ones(3)


def test_eager_code_is_not_compiled():
    assert not in_xla()


@pytest.mark.parametrize("jit", [True, False, None])
def test_a_function_is_compiled_as_it_asks(jit):
    said = asked(lambda probe: tf.function(probe, jit_compile=jit), X)
    assert set(said) == {bool(jit)}


@pytest.mark.parametrize("jit", [True, False])
def test_a_nested_function_follows_the_outer_one(jit):
    def nested(probe):
        inner = tf.function(probe)
        return tf.function(lambda x: inner(x) * 2, jit_compile=jit)

    assert set(asked(nested, X)) == {jit}


def test_an_inner_function_is_compiled_alone():
    outside = []

    def inner_only(probe):
        inner = tf.function(probe, jit_compile=True)

        @tf.function
        def outer(x):
            y = inner(x)
            outside.append(in_xla())
            return y

        return outer

    assert set(asked(inner_only, X)) == {True}
    assert set(outside) == {False}


@pytest.mark.parametrize("jit", [True, False])
def test_branches_loops_and_gradients_follow_their_function(jit):
    def controlled(probe):
        @tf.custom_gradient
        def probe_backward(x):
            return x * 1.0, probe

        def run(x):
            x = tf.cond(x[0] > 0, lambda: probe(x), lambda: probe(-x))
            x = tf.while_loop(lambda x: x[0] < 5, lambda x: (probe(x),), (x,))[0]
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = probe_backward(x)
            return tape.gradient(y, x)

        return tf.function(run, jit_compile=jit)

    said = asked(controlled, X)
    assert len(said) >= 4
    assert set(said) == {jit}


def test_a_dataset_runs_without_xla_even_in_a_compiled_function():
    def mapped(probe):
        return lambda: list(tf.data.Dataset.from_tensors(X).map(probe))

    assert set(asked(mapped)) == {False}


@pytest.mark.parametrize("jit", [True, False])
def test_a_models_training_is_compiled_as_its_compile_asks(jit):
    said = []

    @keras.saving.register_keras_serializable("test_tracing")
    class Probe(keras.layers.Layer):
        def call(self, x):
            said.append(in_xla())
            return x + 1.0

    model = keras.Sequential([keras.layers.Dense(1), Probe()])
    model.compile("sgd", "mse", jit_compile=jit)
    data = np.ones((4, 3), "float32")
    model.build(data.shape)
    said.clear()  # of what building traced
    model.fit(data, data[:, :1], epochs=1, verbose=0)
    assert said and said[-1] is jit
    said.clear()
    model.predict(data, verbose=0)
    assert said and said[-1] is jit
    model(data)
    assert said[-1] is False
