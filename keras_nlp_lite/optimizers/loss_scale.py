"""Loss scaling that knows what happens on every replica."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class LossScaleOptimizer(keras.optimizers.LossScaleOptimizer):
    """Keras's, which under a strategy asks the first replica alone.

    It takes the others' gradients to be the same, and they are not yet summed: an
    overflow on another replica would reach the weights of all.

    Args:
        inner_optimizer, initial_scale, dynamic_growth_steps, name: As in Keras.
    """

    def check_finite(self, grads):
        """bool, whether all gradients of all replicas are finite."""
        finite = super().check_finite(grads)
        context = tf.distribute.get_replica_context()
        if context is None or context.num_replicas_in_sync == 1:
            return finite
        bad = tf.cast(tf.logical_not(finite), tf.float32)
        return tf.equal(context.all_reduce(tf.distribute.ReduceOp.SUM, bad), 0)
