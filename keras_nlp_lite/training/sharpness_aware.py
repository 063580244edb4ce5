"""Training for flat minima: the gradient where the loss nearby is worst."""

import types

import keras
import tensorflow as tf

from keras_nlp_lite.checks import check_positive


def sharpness_aware(model, radius=0.05):
    """Lets a model's `fit` make sharpness-aware steps.

    Each step looks where, within `radius`, the loss is worst, as far as the gradient
    tells, and goes down by the gradient that it finds there. A step takes two passes
    forward and backward instead of one. Loss and metrics are those of the first pass.
    Under a strategy all replicas look at the same place, by the gradient of the whole
    batch. What a model keeps of its batches, such as the means of BatchNormalization,
    moves twice.

    A saved model does not remember it: call it again after loading.

    Args:
        model: Any Keras model, compiled or not, with Keras's own `train_step`.
        radius: How far to look, in the norm of all weights together.

    Returns:
        `model`.

    Raises:
        ValueError: the model has a `train_step` of its own; `radius` is not above 0.

    Example:

    >>> model = keras.Sequential([keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> model = sharpness_aware(model, radius=0.1)

    Reference: Foret et al., "Sharpness-Aware Minimization", arXiv:2010.01412.
    """
    check_positive("radius", radius)
    if type(model).train_step is not keras.Model.train_step:
        raise ValueError(
            "`model` must have Keras's own `train_step`. Received: "
            f"{type(model).__name__}, which has another."
        )

    def train_step(self, data):
        return _step(self, data, radius)

    model.train_step = types.MethodType(train_step, model)
    model.train_function = None
    return model


def _step(model, data, radius):
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    variables = model.trainable_variables

    def gradients():
        with tf.GradientTape() as tape:
            outputs = model(x, training=True)
            loss = model.compute_loss(
                x=x, y=y, y_pred=outputs, sample_weight=sample_weight, training=True
            )
            scaled = model.optimizer.scale_loss(loss)
        return tape.gradient(scaled, variables), outputs, loss

    here, outputs, loss = gradients()
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    first = next(part for part in keras.tree.flatten(x) if part is not None)
    # Keras divides the loss by the replicas, whose gradients are added.
    model._loss_tracker.update_state(loss * replicas, sample_weight=tf.shape(first)[0])

    weights = [tf.convert_to_tensor(variable.value) for variable in variables]
    worst = [
        weight + tf.cast(step, weight.dtype)
        for weight, step in zip(weights, _uphill(here, variables, radius), strict=True)
    ]
    _assign(variables, worst)
    there, _, _ = gradients()
    # Those of before, and not the difference: it would leave rounding behind.
    _assign(variables, weights)
    model.optimizer.apply_gradients(zip(there, variables, strict=True))
    return model.compute_metrics(x, y, outputs, sample_weight=sample_weight)


def _uphill(grads, variables, radius):
    """The step of length `radius` along the gradient of the whole batch.

    Loss scaling does not change it; zeros where a scaled gradient overflowed.
    """
    dense = [
        tf.zeros(variable.shape) if gradient is None else tf.convert_to_tensor(gradient)
        for gradient, variable in zip(grads, variables, strict=True)
    ]
    replica = tf.distribute.get_replica_context()
    if replica.num_replicas_in_sync > 1:
        dense = replica.all_reduce(tf.distribute.ReduceOp.SUM, dense)
    norm = tf.linalg.global_norm([tf.cast(gradient, tf.float32) for gradient in dense])
    is_step = tf.math.is_finite(norm) & (norm > 0)
    share = tf.where(is_step, radius / tf.where(is_step, norm, 1.0), 0.0)
    return [
        tf.where(is_step, tf.cast(share, gradient.dtype) * gradient, 0)
        for gradient in dense
    ]


def _assign(variables, values):
    """On every replica."""

    def everywhere(strategy, values):
        for variable, value in zip(variables, values, strict=True):
            strategy.extended.update(
                variable.value,
                lambda weights, value: weights.assign(value),
                args=(value,),
                group=False,
            )

    tf.__internal__.distribute.interim.maybe_merge_call(
        everywhere, tf.distribute.get_strategy(), values
    )
