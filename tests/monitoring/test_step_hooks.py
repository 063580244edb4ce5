import keras
import numpy as np
import tensorflow as tf

from keras_nlp_lite.monitoring.step_hooks import StepHook


class Count(StepHook, keras.callbacks.Callback):
    """Counts steps that got two rows."""

    def __init__(self):
        super().__init__()
        self.steps = tf.Variable(0)

    def around_step(self, step, data):
        self.steps.assign_add(tf.shape(data[0])[0] // 2)
        return step(data)


class Wrapping(StepHook, keras.callbacks.Callback):
    """Puts itself around the optimizer's `apply`, as others may do, too."""

    def set_model(self, model):
        super().set_model(model)
        self.optimizer = model.optimizer
        self.given = vars(self.optimizer).get("apply")
        vars(self.optimizer)["apply"] = lambda *args, own=self.optimizer.apply: own(
            *args
        )

    def unhook(self):
        vars(self.optimizer).pop("apply", None)
        if self.given is not None:
            vars(self.optimizer)["apply"] = self.given


def linear(**kwargs):
    model = keras.Sequential([keras.Input([3]), keras.layers.Dense(1)])
    model.compile("sgd", "mse", **kwargs)
    return model


def test_data_that_does_not_say_where_it_ends_keeps_its_hooks_for_the_next_epoch():
    rows = tf.data.Dataset.from_tensor_slices((np.ones((6, 3)), np.ones((6, 1))))
    endless = rows.batch(2).filter(lambda *_: True)
    count = Count()
    linear().fit(endless, epochs=3, verbose=0, callbacks=[count])
    assert count.steps.numpy() == 9


def test_hooks_around_one_optimizer_leave_it_as_it_was():
    model = linear(run_eagerly=True)
    x = np.ones((2, 3))
    model.fit(x, x[:, :1], verbose=0, callbacks=[Wrapping(), Wrapping()])
    assert "apply" not in vars(model.optimizer)


def test_an_evaluation_by_itself_leaves_no_hook_behind():
    model = linear(run_eagerly=True)
    x = np.ones((2, 3))
    for run in (
        lambda: model.evaluate(x, x[:, :1], verbose=0, callbacks=[Count()]),
        lambda: model.predict(x, verbose=0, callbacks=[Count()]),
    ):
        run()
        assert not {"train_step", "_step_hooks"} & set(vars(model))


def test_validation_inside_training_keeps_the_hooks():
    count = Count()
    x = np.ones((2, 3))
    data = (x, x[:, :1])
    linear(run_eagerly=True).fit(
        *data, epochs=3, validation_data=data, verbose=0, callbacks=[count]
    )
    assert count.steps.numpy() == 3
