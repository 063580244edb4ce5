"""AdamW, in less time."""

import keras
import numpy as np
import tensorflow as tf

from keras_nlp_lite.optimizers.per_weight import PerWeight


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class AdamW(PerWeight, keras.optimizers.AdamW):
    """`keras.optimizers.AdamW` on TensorFlow's own update: same steps, less waiting.

    Keras makes some ten passes over weights, gradients and both averages. For a small
    BERT's 22 million weights this takes 0.30 of Keras's time on two cores, 0.46 where
    the embedding's gradient is that of some rows. With `amsgrad`, Keras's own update
    runs. A row that a batch looks up twice has the sum of
    its gradients, which Keras squares one by one.

    Args:
        learning_rate, weight_decay, beta_1, beta_2, epsilon, **kwargs: As in Keras.
        layer_decay, spare_norms, shard: As in `PerWeight`.

    Example:

    >>> model = keras.Sequential([keras.layers.Dense(1)])
    >>> model.compile(AdamW(1e-3, weight_decay=0.01), "mse")

    Reference: Loshchilov & Hutter, "Decoupled Weight Decay Regularization",
    arXiv:1711.05101.
    """

    is_elementwise = True

    def update_step(self, gradient, variable, learning_rate):
        if self.amsgrad:
            super().update_step(gradient, variable, learning_rate)
            return
        index = self._get_variable_index(variable)
        m, v = _resource(self._momentums[index]), _resource(self._velocities[index])
        kind = m.dtype
        # In float32 whatever the weights are: in bfloat16, 0.999 is 1, and the rate 0.
        rate = tf.cast(learning_rate, tf.float32)
        step = tf.cast(keras.ops.convert_to_tensor(self.iterations + 1), tf.float32)
        beta_2 = min(self.beta_2, _below_one(kind))
        fading = tf.sqrt(1 - beta_2**step) / (1 - self.beta_1**step)
        rate = tf.cast(rate * fading, kind)
        beta_1, beta_2 = tf.cast(self.beta_1, kind), tf.cast(beta_2, kind)
        epsilon = tf.cast(self.epsilon, kind)
        gradient = tf.cast(gradient, kind)
        weights = _resource(variable)
        if not isinstance(weights, tf.Variable):  # some rows of one
            m.assign_add((gradient - m) * (1 - beta_1))
            v.assign_add((gradient * gradient - v) * (1 - beta_2))
            weights.assign_sub(rate * m / (tf.sqrt(v) + epsilon))
            return
        tf.raw_ops.ResourceApplyAdam(
            var=weights.handle,
            m=m.handle,
            v=v.handle,
            beta1_power=tf.zeros((), kind),  # their share is in `rate`
            beta2_power=tf.zeros((), kind),
            lr=rate,
            beta1=beta_1,
            beta2=beta_2,
            epsilon=epsilon,
            grad=gradient,
        )


def _below_one(kind):
    """The largest number of a type that is less than one: with 1 as beta_2, the second
    average would stay at zero, and steps would have no limit."""
    eps = 2.0**-7 if kind == tf.bfloat16 else np.finfo(kind.as_numpy_dtype).eps
    return 1 - float(eps) / 2


def _resource(variable):
    """TensorFlow's variable in Keras's."""
    return variable.value if isinstance(variable, keras.Variable) else variable
