"""Callbacks that take part in the training step, inside the graph."""

import tensorflow as tf

_NAME = "_step_hooks"


class StepHook:
    """Runs around a model's `train_step` while `fit` runs.

    A mixin for `keras.callbacks.Callback`. `set_model` puts it around the step before
    Keras makes its training function. The end of training takes it away, and so does
    an error or an interruption in a step; the model gets its old function back.
    Several hooks stand around one step in the order of the callbacks.
    """

    def around_step(self, step, data):
        """What the step gives; runs in each replica, in the graph.

        Args:
            step: Function from data to logs, the model's own or the next hook's.
            data: One replica's batch.
        """
        return step(data)

    def feed(self, iterator):
        """What the training function gets for the iterator over batches; in Python."""
        return iterator

    def unhook(self):
        """Called when the hook is taken away, before the model is as it was."""

    def set_model(self, model):
        super().set_model(model)
        hooks = vars(model).get(_NAME)
        if hooks is not None and (hooks.running or self in hooks.hooks):
            hooks.remove()  # of a `fit` that was interrupted, or did not begin
            hooks = None
        if hooks is None:
            # Past Keras and TensorFlow, which would track it.
            hooks = vars(model)[_NAME] = _Hooks(model)
        hooks.add(self)

    def on_train_begin(self, logs=None):
        vars(self.model)[_NAME].start()
        super().on_train_begin(logs)

    def on_train_batch_begin(self, batch, logs=None):
        # Another callback may have had the function made anew.
        vars(self.model)[_NAME].start()
        super().on_train_batch_begin(batch, logs)

    def on_test_begin(self, logs=None):
        super().on_test_begin(logs)
        self.leave_unless_training()

    def on_predict_begin(self, logs=None):
        super().on_predict_begin(logs)
        self.leave_unless_training()

    def leave_unless_training(self):
        """Takes the hooks away where no `fit` runs: nobody tells `set_model` whether it is
        `fit` that begins."""
        hooks = vars(self.model).get(_NAME)
        if hooks is not None and not hooks.running:
            hooks.remove()

    def on_train_end(self, logs=None):
        super().on_train_end(logs)
        hooks = vars(self.model).get(_NAME)
        if hooks is not None:
            hooks.remove()


class _Hooks:
    """Those around one model's step."""

    def __init__(self, model):
        self.model = model
        self.hooks = []
        self.running = False
        self.function = None  # what the model has in place of its own
        self.given_step = vars(model).get("train_step")  # None for the class's own
        self.given_function = model.train_function
        self.step = model.train_step
        vars(model)["train_step"] = self.run
        model.train_function = None

    def add(self, hook):
        if hook not in self.hooks:
            self.hooks.append(hook)

    def run(self, data):
        step = self.step
        for hook in reversed(self.hooks):
            step = _around(hook, step)
        return step(data)

    def start(self):
        function = self.model.train_function
        if self.running and function is self.function:
            return
        self.running = True

        def function_of_this_fit(iterator):
            try:
                for hook in self.hooks:
                    iterator = hook.feed(iterator)
                return function(iterator)
            except (StopIteration, tf.errors.OutOfRangeError):  # the end of an epoch
                raise
            except BaseException:
                self.remove()
                raise

        self.function = self.model.train_function = function_of_this_fit

    def remove(self):
        """Gives the model back as it was."""
        if vars(self.model).pop(_NAME, None) is None:
            return
        # The last one may have put itself around what an earlier one had put there.
        for hook in reversed(self.hooks):
            hook.unhook()
        del vars(self.model)["train_step"]
        if self.given_step is not None:
            vars(self.model)["train_step"] = self.given_step
        self.model.train_function = self.given_function


def _around(hook, step):
    return lambda data: hook.around_step(step, data)
