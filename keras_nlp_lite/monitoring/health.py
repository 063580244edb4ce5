"""Whether gradients and weights are in good health: norms, zeros, NaN, infinities."""

import keras
import tensorflow as tf
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.scalar.summary_v2 import scalar_pb

from keras_nlp_lite.checks import check_positive_int
from keras_nlp_lite.monitoring.step_hooks import StepHook

# What is known of a layer; tags begin with it.
MEASURES = (
    "gradient_norm",
    "weight_norm",
    "gradient_zeros",
    "gradient_nan",
    "gradient_infinite",
)
ALL = "all"  # instead of a layer's path: all of them together


class Health(StepHook, keras.callbacks.Callback):
    """Looks at the gradients of every so many steps, as the optimizer gets them.

    There is no second pass: what the step computed is looked at before it is applied,
    by a branch of the step's graph that the other steps do not enter.

    Measured are, for each layer and for all together: the Euclidean norm of the
    gradients; that of the weights, before the update; and the shares of zeros, NaN and
    infinities among the numbers of the gradients. An embedding's gradient counts as the
    whole table, with zeros where the batch looked nothing up. Scaled gradients
    (float16) count without their scale. Of several replicas, the first one's gradients
    are measured, which are of its share of the batch.

    Args:
        every: Steps from one look to the next. Steps are counted as the optimizer
            does, from 0, over all `fit`s; step 0 has a look.

    Raises:
        ValueError: `every` is no integer of at least 1.
    """

    def __init__(self, every=100):
        super().__init__()
        check_positive_int("every", every)
        self.every = every
        self.layers = []  # paths, in the order of the rows
        self._noted = self._measured = None
        self._shown = -1  # the last step that was told of

    # Around the step, in the graph

    def set_model(self, model):
        super().set_model(model)
        self._optimizer = model.optimizer
        self._names = _layer_names(model)
        self.layers = [*dict.fromkeys(self._names.values()), ALL]
        with model.distribute_strategy.scope():
            self._noted = _of_first_replica(-1, tf.int64)
            shape = [len(self.layers), len(MEASURES)]
            self._measured = _of_first_replica(tf.zeros(shape), tf.float32)
        self._shown = -1
        if self._optimizer is not None:
            self._own = self._optimizer.apply
            self._given = vars(self._optimizer).get("apply")
            vars(self._optimizer)["apply"] = self._apply

    def unhook(self):
        if self._optimizer is None:
            return
        vars(self._optimizer).pop("apply", None)
        if self._given is not None:
            vars(self._optimizer)["apply"] = self._given

    def _apply(self, grads, trainable_variables=None):
        grads = list(grads)
        if trainable_variables is None:
            variables = self._optimizer._trainable_variables
        else:
            variables = trainable_variables = list(trainable_variables)
        if not self._optimizer.built:  # a scale of the loss comes to be with it
            with tf.init_scope():
                self._optimizer.build(variables)
        step = tf.cast(tf.convert_to_tensor(self._optimizer.iterations), tf.int64)

        def look():
            self._measured.assign(self._measure(grads, variables))
            self._noted.assign(step)
            return True

        tf.cond(step % self.every == 0, look, lambda: True)
        return self._own(grads, trainable_variables)

    def _measure(self, grads, variables):
        """float32 [layers, measures]; NaN where a layer has no gradient."""
        sums = {name: [] for name in self.layers}
        for gradient, variable in zip(grads, variables, strict=True):
            name = self._names.get(variable.path)
            if gradient is not None and name is not None:
                of_weight = _sums(gradient, variable)
                sums[name].append(of_weight)
                sums[ALL].append(of_weight)
        rows = []
        for name in self.layers:
            total = tf.add_n(sums[name]) if sums[name] else tf.zeros([6])
            squares, of_weights, zeros, nan, infinite, size = tf.unstack(total)
            norms = [tf.sqrt(squares) / self._scale(), tf.sqrt(of_weights)]
            shares = [part / size for part in (zeros, nan, infinite)]
            none = [] if sums[name] else [float("nan")] * len(MEASURES)
            rows.append(tf.stack(none or [*norms, *shares]))
        return tf.stack(rows)

    def _scale(self):
        scale = getattr(self._optimizer, "dynamic_scale", None)
        return 1.0 if scale is None else tf.cast(scale.value, tf.float32)

    # Between steps

    def last_look(self):
        """What a look showed that was not told before.

        The optimizer counts: batches that it gathers, and steps that it skips for an
        overflow, are none of its steps.

        Returns:
            (int, Summary): the step that was looked at, and a scalar for each measure
            of each layer; None if there was no look since.
        """
        step = int(self._noted.numpy())
        if step == self._shown:
            return None
        self._shown = step
        return step, self._summary()

    def _summary(self):
        measured = self._measured.numpy()
        return Summary(
            value=[
                value
                for layer, row in zip(self.layers, measured, strict=True)
                if not (row != row).all()  # NaN throughout: a layer without gradients
                for measure, number in zip(MEASURES, row.tolist(), strict=True)
                for value in scalar_pb(f"{measure}/{layer}", number).value
            ]
        )


def _sums(gradient, variable):
    """float32 [6]: squares of gradient and weight, zeros, NaN, infinities, numbers."""
    g = tf.cast(_dense(gradient), tf.float32)
    w = tf.cast(tf.convert_to_tensor(variable), tf.float32)
    counted = (tf.equal(g, 0), tf.math.is_nan(g), tf.math.is_inf(g))
    counts = [tf.math.count_nonzero(each, dtype=tf.float32) for each in counted]
    squares = [tf.reduce_sum(g * g), tf.reduce_sum(w * w)]
    return tf.stack([*squares, *counts, tf.cast(tf.size(g), tf.float32)])


def _dense(gradient):
    if isinstance(gradient, tf.IndexedSlices):
        return tf.math.unsorted_segment_sum(
            gradient.values, gradient.indices, gradient.dense_shape[0]
        )
    return gradient


def _layer_names(model):
    """The path of each weight's layer, by the weight's own; without the model's name
    where all would begin with it."""
    paths = [
        variable.path
        for layer in model._flatten_layers()
        for variable in layer._trainable_variables
    ]
    owners = {path: path.rpartition("/")[0] or path for path in paths}
    prefix = f"{model.name}/"
    if all(owner.startswith(prefix) for owner in owners.values()):
        owners = {path: owner.removeprefix(prefix) for path, owner in owners.items()}
    return owners


def _of_first_replica(value, dtype):
    return tf.Variable(
        value,
        dtype=dtype,
        trainable=False,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )
