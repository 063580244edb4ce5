"""Training ends at the first NaN, which is found and named."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.training.non_finite import find_non_finite
from keras_nlp_lite.training.stop_on_nan import StopOnNaN
from tests.tasks.encoders import LABELS, TEXTS
from tests.training.small import classifier, points, regression, same

dense = keras.layers.Dense


class Outer(keras.layers.Layer):
    """Holds a layer, and takes a root of its own afterwards."""

    def __init__(self, inner, **kwargs):
        super().__init__(**kwargs)
        self.inner = inner

    def build(self, shape):
        self.inner.build(shape)

    def call(self, x):
        return keras.ops.sqrt(self.inner(x))


def stopped(model, x, y, weights=None, batch_size=4, epochs=2, **kwargs):
    """(StopOnNaN after training, what it said)"""
    stop = StopOnNaN()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(
            x,
            y,
            sample_weight=weights,
            batch_size=batch_size,
            epochs=epochs,
            shuffle=False,
            verbose=0,
            callbacks=[stop],
            **kwargs,
        )
    said = [str(w.message) for w in caught if w.category is RuntimeWarning]
    return stop, "\n".join(x for x in said if "Training stopped" in x)


def name_of(found):
    return found.layer.rpartition("/")[2]


def finite(model):
    return all(np.isfinite(weight).all() for weight in model.get_weights())


@pytest.mark.parametrize(
    "steps, jit_compile", [(1, False), (3, False), (3, True)], ids=str
)
def test_a_logarithm_of_a_negative_number_in_the_middle_is_named(steps, jit_compile):
    x, y = points()
    x[21, 1] = -1.0  # row 1 of batch 5
    logarithm = keras.layers.Activation(keras.ops.log, name="logarithm")
    layers = [logarithm, dense(2), keras.layers.Dropout(0.1, seed=7), dense(1)]
    model = regression(
        *layers,
        graph=True,
        jit_compile=jit_compile,
        steps_per_execution=steps,
        optimizer="adam",
    )
    stop, said = stopped(model, x, y)
    assert (stop.epoch, stop.batch) == (0, 5)
    assert (stop.found.layer, stop.found.tensor) == ("logarithm", "output")
    assert (stop.found.kind, stop.found.rows) == ("NaN", [1])
    np.testing.assert_array_equal(stop.data[0], x[20:24])
    assert finite(model)
    assert "epoch 0, batch 5 (from 0)" in said and "'logarithm'" in said


def test_the_batch_is_counted_in_its_epoch():
    model = regression(dense(1), optimizer=keras.optimizers.SGD(0.0))

    class Spoil(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                model.layers[0].kernel.assign([[1.0], [np.inf], [1.0]])

    stop = StopOnNaN()
    with pytest.warns(RuntimeWarning, match="epoch 2, batch 0"):
        model.fit(
            *points(), epochs=4, batch_size=4, verbose=0, callbacks=[stop, Spoil()]
        )
    assert (stop.epoch, stop.batch, stop.found.tensor) == (2, 0, "weight kernel")


def test_weights_stay_as_they_were_before_the_step():
    x, y = points()
    x[21] = np.nan
    kept = []
    for rows in (20, 40):  # up to the bad batch, and all
        model = regression(dense(2), dense(1), optimizer="adam")
        stop, _ = stopped(model, x[:rows], y[:rows], epochs=1)
        kept.append(model.get_weights())
        assert (stop.found is None) == (rows == 20)
    assert same(*kept)


def test_moving_averages_are_those_before_the_step():
    x, y = points()
    x[21] = np.nan
    model = regression(keras.layers.BatchNormalization(), dense(1))
    stopped(model, x, y)
    assert finite(model)


def test_exploding_weights_are_named_with_their_size():
    model = regression(
        dense(4), dense(1, name="last"), optimizer=keras.optimizers.SGD(1e30)
    )
    stop, said = stopped(model, *points())
    assert (stop.epoch, stop.batch) == (0, 1)
    assert stop.found.tensor == "output" and "learning rate" in said
    assert finite(model)


def test_a_weight_that_the_last_update_made_infinite_is_named():
    class Bursting(keras.optimizers.SGD):
        def update_step(self, gradient, variable, learning_rate):
            self.assign(variable, variable * np.inf)

    model = regression(dense(1, name="burst"), optimizer=Bursting())
    stop, _ = stopped(model, *points(4), epochs=1)
    assert (stop.epoch, stop.batch) == (0, 0)
    assert (name_of(stop.found), stop.found.tensor) == ("burst", "weight kernel")


def test_an_infinite_gradient_of_a_finite_loss_is_named():
    x, y = points()
    x[21] = 0.0
    root = keras.layers.Activation(keras.ops.sqrt, name="root")
    positive = dense(4, use_bias=False, kernel_initializer="ones")
    stop, _ = stopped(model := regression(positive, root, dense(1)), x, y)
    assert (stop.batch, stop.found.layer) == (5, "root")
    assert stop.found.tensor == "gradient of input" and stop.found.rows == [1]
    assert finite(model)


def test_a_gradient_of_a_weight_alone_is_named():
    class Scale(keras.layers.Layer):
        def build(self, shape):
            self.scale = self.add_weight(name="scale", initializer="zeros")

        def call(self, x):
            return x + keras.ops.sqrt(self.scale)

    found = find_non_finite(regression(Scale(name="shift"), dense(1)), points(4))
    assert (name_of(found), found.tensor) == ("shift", "gradient of weight scale")


def test_a_bad_sample_weight_is_named_with_its_row():
    x, y = points()
    weights = np.ones(40, "float32")
    weights[22] = np.nan
    stop, _ = stopped(regression(dense(1)), x, y, weights)
    assert (stop.batch, stop.found.tensor) == (5, "sample weights")
    assert stop.found.rows == [2]


def test_a_loss_that_makes_nan_of_finite_outputs_is_named():
    model = regression(dense(1))
    model.compile("sgd", lambda y, p: keras.ops.log(-keras.ops.abs(p)), jit_compile=0)
    found = find_non_finite(model, points(4))
    assert (found.layer, found.tensor) == ("", "loss")


@pytest.mark.parametrize("inside", [True, False])
def test_the_innermost_layer_is_named(inside):
    offset = -9.0 if inside else 0.0
    inner = keras.layers.Activation(lambda x: keras.ops.sqrt(x + offset), name="inner")
    if not inside:
        inner = keras.layers.Rescaling(-1.0, name="inner")
    found = find_non_finite(regression(Outer(inner, name="outer")), points(4))
    assert name_of(found) == ("inner" if inside else "outer")


def test_a_sound_step_has_nothing_to_name():
    model = regression(dense(2), keras.layers.BatchNormalization(), dense(1))
    assert find_non_finite(model, points(4)) is None


def test_the_texts_of_a_task_are_told():
    model = classifier(dropout=0.0)
    model.compile("adam")
    weights = np.ones(len(TEXTS), "float32")
    weights[9] = np.inf
    stop, said = stopped(model, TEXTS, LABELS, weights)
    assert (stop.batch, stop.found.rows) == (2, [1])
    assert TEXTS[9] in stop.texts[1] and f"{TEXTS[9]}" in said
    assert TEXTS[8] not in said


def test_sound_training_is_what_it_is_without_the_callback():
    histories, weights = [], []
    for callbacks in ([], [StopOnNaN()]):
        model = regression(
            keras.layers.Dropout(0.3, seed=7),
            keras.layers.BatchNormalization(),
            dense(1),
            optimizer="adam",
            steps_per_execution=2,
            graph=True,
        )
        fit = {"batch_size": 6, "epochs": 2, "shuffle": False, "verbose": 0}
        histories.append(model.fit(*points(), callbacks=callbacks, **fit).history)
        weights.append(model.get_weights())
    assert histories[0] == histories[1]
    assert same(*weights)
    assert callbacks[0].found is None


def test_an_overflow_of_the_scaled_loss_is_no_error():
    half = {"dtype": "mixed_float16"}
    scaled = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.Adam(), initial_scale=2.0**30
    )
    model = regression(dense(2, **half), dense(1, **half), optimizer=scaled, graph=True)
    before = model.get_weights()
    stop, _ = stopped(model, *points())
    assert float(scaled.dynamic_scale) < 2.0**30
    assert stop.found is None and not same(model.get_weights(), before)


def test_afterwards_the_model_is_free_of_it():
    x, y = points()
    model = regression(dense(1))
    stopped(model, x, y)
    assert "apply" not in vars(model.optimizer)
    assert not {"train_step", "compute_loss", "_step_hooks"} & set(vars(model))
    x[21] = np.nan
    model.fit(x, y, verbose=0)  # nobody watches
    assert not finite(model)


class Breaking(keras.layers.Layer):
    broken = False

    def call(self, x):
        if self.broken:
            raise RuntimeError("broken")
        return x


@pytest.mark.parametrize("epoch_it_breaks_in", [0, 1])
def test_an_error_in_a_step_leaves_the_model_free_of_it(epoch_it_breaks_in):
    layer = Breaking()
    model = regression(layer, dense(1))

    def make_anew(epoch, logs):  # as callbacks that freeze layers do
        layer.broken = epoch == epoch_it_breaks_in
        model.make_train_function(force=True)

    anew = keras.callbacks.LambdaCallback(on_epoch_begin=make_anew)
    with pytest.raises(RuntimeError, match="broken"):
        model.fit(*points(4), epochs=3, verbose=0, callbacks=[StopOnNaN(), anew])
    assert not {"train_step", "compute_loss", "_step_hooks"} & set(vars(model))
    assert "apply" not in vars(model.optimizer)


def test_a_second_training_is_watched_anew():
    x, y = points()
    model, stop = regression(dense(1)), StopOnNaN()
    fit = {"batch_size": 4, "shuffle": False, "verbose": 0, "callbacks": [stop]}
    model.fit(x, y, **fit)
    assert stop.found is None
    x[9] = np.nan
    with pytest.warns(RuntimeWarning):
        model.fit(x, y, **fit)
    assert stop.batch == 2
    model.fit(*points(), **fit)
    assert stop.found is None and stop.data is None


def test_small_integers_and_truth_values_come_back_as_they_were():
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.embed = keras.layers.Embedding(5, 1)

        def call(self, x):
            bias = keras.ops.cast(x["flag"], "float32")[:, None]
            return self.embed(x["ids"])[:, 0] + bias * np.nan

    model = Model()
    model.compile("sgd", "mse", jit_compile=False)
    x = {"ids": np.arange(4, dtype="int8")[:, None], "flag": np.ones(4, bool)}
    dataset = tf.data.Dataset.from_tensors((x, np.zeros([4, 1])))
    stop = StopOnNaN()
    with pytest.warns(RuntimeWarning):
        model.fit(dataset, verbose=0, callbacks=[stop])
    for name, value in x.items():
        assert stop.data[0][name].dtype == value.dtype
        np.testing.assert_array_equal(stop.data[0][name], value)
