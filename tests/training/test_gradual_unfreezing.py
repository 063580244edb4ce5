"""Head first, then block after block, with the optimizer's state kept."""

import contextlib

import keras
import numpy as np
import pytest

from keras_nlp_lite.training.gradual_unfreezing import GradualUnfreezing
from keras_nlp_lite.training.optimizer import optimizer

X = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
Y = X[:, :1]


def three_layers(chosen=None):
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Dense(width) for width in (4, 3, 1)]
    model = keras.Sequential([keras.layers.Input((3,)), *layers])
    model.compile(chosen or keras.optimizers.Adam(0.01), "mse")
    return model


class Moved(keras.callbacks.Callback):
    """Which layers an epoch moved."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_begin(self, epoch, logs=None):
        self.before = [layer.get_weights()[0] for layer in self.model.layers]

    def on_epoch_end(self, epoch, logs=None):
        now = [layer.get_weights()[0] for layer in self.model.layers]
        pairs = zip(self.before, now, strict=True)
        self.seen.append([bool(np.any(x != y)) for x, y in pairs])


def fit(model, *callbacks, epochs=3, **kwargs):
    return model.fit(
        X, Y, batch_size=4, epochs=epochs, verbose=0, callbacks=callbacks, **kwargs
    )


def test_layers_begin_to_train_from_the_top():
    moved = Moved()
    fit(three_layers(), GradualUnfreezing(2), moved, epochs=5)
    last, two, all_three = [0, 0, 1], [0, 1, 1], [1, 1, 1]
    assert moved.seen == [last, last, two, two, all_three]


def test_what_the_user_froze_stays_frozen():
    model = three_layers()
    model.layers[1].trainable = False
    moved = Moved()
    fit(model, GradualUnfreezing(), moved)
    assert moved.seen == [[0, 0, 1], [1, 0, 1], [1, 0, 1]]
    assert not model.layers[1].trainable


def test_afterwards_everything_trains_again():
    model = three_layers()
    unfreezing = GradualUnfreezing()
    fit(model, unfreezing, epochs=1)
    assert len(model.trainable_variables) == 6
    moved = Moved()
    fit(model, moved, epochs=1)
    assert moved.seen == [[1, 1, 1]]


def test_an_error_does_not_leave_layers_behind():
    model = three_layers()
    unfreezing = GradualUnfreezing()

    def fail(batch, logs):
        raise RuntimeError

    with contextlib.suppress(RuntimeError):
        fit(model, unfreezing, keras.callbacks.LambdaCallback(on_train_batch_end=fail))
    moved = Moved()
    fit(model, unfreezing, moved)
    assert moved.seen[-1] == [1, 1, 1]


def test_a_layer_freed_late_takes_first_steps():
    """Of the size of the rate, though the head's averages are old by then."""
    model = three_layers(optimizer("adam", 0.01, schedule="constant", warmup=0))
    unfreezing = GradualUnfreezing(30)
    kernels = []

    class Kernels(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            kernels.append(self.model.layers[1].get_weights()[0])

    fit(model, unfreezing, Kernels(), epochs=31)
    first = kernels[61] - kernels[60]
    assert np.abs(kernels[60] - kernels[0]).max() == 0
    # Adam's first step is the rate, whatever the gradient.
    np.testing.assert_allclose(np.abs(first), 0.01, rtol=0.05)


def test_a_resumed_run_goes_on_equally():
    """With weights, optimizer and what the callback remembers."""
    whole = three_layers(optimizer("adamw", 0.01, schedule="constant"))
    state = {}
    unfreezing = GradualUnfreezing()

    class Snapshot(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                state["weights"] = self.model.get_weights()
                state["optimizer"] = [v.numpy() for v in self.model.optimizer.variables]
                state["callback"] = unfreezing.get_state()

    fit(whole, unfreezing, Snapshot(), epochs=4, shuffle=False)

    resumed = three_layers(optimizer("adamw", 0.01, schedule="constant"))
    resumed.optimizer.build(resumed.trainable_variables)
    resumed.set_weights(state["weights"])
    resumed.optimizer.set_weights(state["optimizer"])
    again = GradualUnfreezing()
    again.set_state(state["callback"])
    fit(resumed, again, epochs=4, initial_epoch=2, shuffle=False)
    for x, y in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(x, y)


def test_a_model_without_weights_is_refused():
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"model\.build"):
        fit(model, GradualUnfreezing())
    with pytest.raises(ValueError, match="epochs_per_block=0"):
        GradualUnfreezing(0)
