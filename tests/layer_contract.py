"""What every layer owes, in one runner.

Eager, in a graph, in a dataset, from its config, from a .keras file and from an export,
a layer gives the same; it says beforehand what will come out; it takes batches of any
size, none included; and where it learns, it learns under every precision policy, and
compiled by XLA.
"""

import contextlib
import json
import os
import tempfile
import warnings

import keras
import numpy as np
import tensorflow as tf

ROWS = (3, 5, 0)  # unlike each other: nothing may remember a batch size
PRECISIONS = {  # policy: (dtype of outputs, dtype of weights)
    "mixed_float16": ("float16", "float32"),
    "mixed_bfloat16": ("bfloat16", "float32"),
    "bfloat16": ("bfloat16", "bfloat16"),
}


def check_layer(
    make, batch, *, preprocessing=False, takes_mask=False, exports=True, jit=True
):
    """Puts a layer through the contract.

    Args:
        make: () -> the layer, ready to be called: adapted, if it has to be.
        batch: rows -> inputs with so many rows: a tensor, dense, sparse or ragged, or a
            tuple of tensors. More rows begin with the fewer ones.
        preprocessing: Whether the layer is one for `Dataset.map`, with nothing to
            learn; otherwise gradients and precision policies are checked.
        takes_mask: Whether its input [rows, tokens, features] may have a Keras mask.
        exports: Whether the export is checked; TensorFlow cannot export every input.
        jit: Whether it trains compiled by XLA, which does not have every op.
    """
    layer = make()
    expected = {rows: layer(batch(rows)) for rows in ROWS}
    for rows, outputs in expected.items():
        assert {num_rows(x) for x in keras.tree.flatten(outputs)} == {rows}

    # One that draws random numbers begins its sequence anew for each part.
    fresh = make if getattr(layer, "is_random", False) else lambda: layer
    check_function(fresh(), batch, expected)
    check_config(fresh(), batch, expected)
    check_files(fresh(), batch, expected, exports)
    check_forecast(fresh(), batch(ROWS[0]), expected[ROWS[0]])
    if preprocessing:
        check_dataset(fresh(), batch, expected)
    else:
        check_learning(make, batch(ROWS[0]))
        check_policies(make, batch(ROWS[0]))
        check_training(make, batch(ROWS[0]), jit)
    if takes_mask:
        check_mask(layer, batch(ROWS[0]))


# The parts of the contract


def check_function(layer, batch, expected):
    """`tf.function` gives what eager execution does."""
    traced = tf.function(lambda x: layer(x), reduce_retracing=True)
    for rows, outputs in expected.items():
        assert_same(traced(batch(rows)), outputs)


def check_dataset(layer, batch, expected):
    """So does `Dataset.map`, whose elements have no static number of rows."""
    for rows, outputs in expected.items():
        inputs = batch(rows)
        dataset = tf.data.Dataset.from_tensors((inputs,))
        assert_same(next(iter(dataset.map(lambda x: layer(x)))), outputs)


def check_config(layer, batch, expected):
    """A copy from the config, given the state, does what the layer does."""
    config = keras.saving.serialize_keras_object(layer)
    copy = keras.saving.deserialize_keras_object(json.loads(json.dumps(config)))
    assert type(copy) is type(layer)
    inputs = batch(ROWS[0])
    if layer.weights:
        copy(inputs)
        copy.set_weights(layer.get_weights())
    else:
        give_state(layer, copy)
    assert_same(copy(inputs), expected[ROWS[0]])


def check_files(layer, batch, expected, exports):
    """A functional model saved and loaded, and exported and loaded, does too."""
    symbols = keras.tree.map_structure(symbol, batch(ROWS[0]))
    model = keras.Model(symbols, layer(symbols))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.keras")
        model.save(path)
        loaded = keras.saving.load_model(path)
        if exports:
            path = os.path.join(folder, "export")
            model.export(path, verbose=False)
            served = tf.saved_model.load(path)  # keeps its variables alive
        for rows, outputs in expected.items():
            assert_same(model(batch(rows)), outputs)
            assert_same(loaded(batch(rows)), outputs)
            if exports:
                assert_same(served.serve(batch(rows)), outputs)


def check_forecast(layer, inputs, outputs):
    """The symbolic output has the shape, dtype and kind of the real one."""
    symbols = keras.tree.map_structure(symbol, inputs)
    forecasts = keras.tree.flatten(layer(symbols))
    outputs = keras.tree.flatten(outputs)
    assert len(forecasts) == len(outputs)
    for forecast, output in zip(forecasts, outputs):
        assert tf.TensorShape(forecast.shape).is_compatible_with(output.shape)
        assert len(forecast.shape) == output.shape.rank
        assert forecast.dtype == output.dtype.name
        assert forecast.sparse == isinstance(output, tf.SparseTensor)
        assert forecast.ragged == isinstance(output, tf.RaggedTensor)
    with contextlib.suppress(NotImplementedError):
        shapes = keras.tree.map_structure(lambda x: tuple(x.shape), inputs)
        shape = layer.compute_output_shape(shapes)
        if isinstance(shape[0], int):
            assert tf.TensorShape(shape).is_compatible_with(outputs[0].shape)


def check_learning(make, inputs):
    """Each weight gets a finite gradient, and a step along it lowers the loss."""
    layer = make()
    loss, gradients = loss_and_gradients(layer, inputs)
    for weight, gradient in zip(layer.trainable_variables, gradients):
        assert gradient is not None, f"{weight.path} has no gradient"
        assert np.isfinite(gradient).all(), f"{weight.path} has a wild gradient"
        weight.assign_sub(0.01 * gradient)
    after, _ = loss_and_gradients(layer, inputs)
    assert after < loss or not gradients  # not all have something to learn


def check_policies(make, inputs):
    """A policy says what a layer computes in and keeps its weights in; it learns."""
    for policy, (compute, variable) in PRECISIONS.items():
        with dtype_policy(policy):
            layer = make()
        outputs = keras.tree.flatten(layer(inputs))
        assert {x.dtype.name for x in outputs} == {compute}
        assert {w.dtype for w in layer.weights} <= {variable}
        _, gradients = loss_and_gradients(layer, inputs)
        assert all(np.isfinite(g).all() for g in gradients)


def check_training(make, inputs, jit):
    """A step of `fit`, as one XLA program, moves the weights and not to infinity."""
    layer = make()
    symbols = keras.tree.map_structure(symbol, inputs)
    model = keras.Model(symbols, keras.tree.flatten(layer(symbols))[0])
    target = np.ones(model(inputs).shape, "float32")
    before = layer.get_weights()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Model doesn't support `jit_compile=True`")
        warnings.filterwarnings("ignore", "The model does not have any trainable")
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=jit)
        loss = model.train_on_batch(inputs, target)
    assert np.isfinite(loss), "training has a wild loss"
    moved = [np.any(x != y) for x, y in zip(before, layer.get_weights())]
    assert any(moved) or not layer.trainable_variables, "training moves no weight"


def check_mask(layer, x):
    """A mask comes out as it went in, stays where it was, and hides what it covers."""
    x = np.asarray(x)
    kept = np.arange(x.shape[1]) < 1 + np.arange(len(x))[:, None] % x.shape[1]
    loud = np.where(kept[..., None], x, 1e3).astype(x.dtype)
    outputs = []
    for values in (x, loud):
        masked = tf.constant(values)
        masked._keras_mask = tf.constant(kept)  # as Embedding(mask_zero=True) does
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            outputs.append(layer(masked))
        mask = getattr(outputs[-1], "_keras_mask", None)
        assert mask is not None, "the mask is gone"
        np.testing.assert_array_equal(mask, kept)
        np.testing.assert_array_equal(masked._keras_mask, kept)
    quiet, loud = (np.asarray(y)[kept] for y in outputs)
    np.testing.assert_allclose(quiet, loud, rtol=1e-5, atol=1e-6)


# Tools


def loss_and_gradients(layer, inputs):
    """Squared distance to a fixed random target, and its gradient for each weight."""
    with tf.GradientTape() as tape:
        output = tf.cast(keras.tree.flatten(layer(inputs))[0], "float32")
        target = np.random.default_rng(0).normal(size=output.shape)
        loss = tf.reduce_mean((output - tf.constant(target, "float32")) ** 2)
    gradients = tape.gradient(loss, [w.value for w in layer.trainable_variables])
    return float(loss), [
        None if g is None else tf.convert_to_tensor(g).numpy() for g in gradients
    ]


@contextlib.contextmanager
def dtype_policy(name):
    """Makes layers under another global precision policy."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def give_state(source, target):
    """Hands over what a .keras file would: variables first, then assets."""
    store = {}
    source.save_own_variables(store)
    target.load_own_variables(store)
    if hasattr(source, "save_assets"):
        with tempfile.TemporaryDirectory() as folder:
            source.save_assets(folder)
            target.load_assets(folder)


def symbol(x):
    """The `keras.Input` that a tensor would go into."""
    return keras.Input(
        shape=x.shape[1:],
        dtype=keras.backend.standardize_dtype(x.dtype),
        sparse=isinstance(x, tf.SparseTensor),
        ragged=isinstance(x, tf.RaggedTensor),
    )


def num_rows(x):
    """How many rows a tensor has, whatever it is."""
    if isinstance(x, tf.RaggedTensor):
        return int(x.nrows())
    return int((x.dense_shape if isinstance(x, tf.SparseTensor) else tf.shape(x))[0])


def to_numpy(x):
    """A dense, sparse or ragged tensor as an array, or as nested lists if ragged."""
    if isinstance(x, tf.RaggedTensor):
        return x.to_list()
    if isinstance(x, tf.SparseTensor):
        return tf.sparse.to_dense(tf.sparse.reorder(x)).numpy()
    return np.asarray(x)


def assert_same(got, wanted, rtol=1e-5, atol=1e-5):
    """Outputs have the same structure, kind, dtype and shape, and nearly one value."""
    got, wanted = keras.tree.flatten(got), keras.tree.flatten(wanted)
    assert len(got) == len(wanted)
    for x, y in zip(got, wanted):
        for kind in (tf.SparseTensor, tf.RaggedTensor):
            assert isinstance(x, kind) == isinstance(y, kind)
        assert x.dtype == y.dtype
        x, y = to_numpy(x), to_numpy(y)
        if isinstance(x, list):
            assert x == y
        elif np.issubdtype(x.dtype, np.floating):
            assert x.shape == y.shape
            np.testing.assert_allclose(x, y, rtol=rtol, atol=atol)
        else:
            np.testing.assert_array_equal(x, y, strict=True)
