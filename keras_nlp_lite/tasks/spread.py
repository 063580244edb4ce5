"""Batches spread over replicas: each has its slice, and the loss stays that of one."""

import contextlib

import keras
import tensorflow as tf
from keras.src.backend.tensorflow import trainer as keras_trainer

from keras_nlp_lite.data.row_slices import row_slices

# What TensorFlow says where another worker has ended, or its heart does not beat.
_GONE = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.DeadlineExceededError,
)
_as_it_is = tf.autograph.experimental.do_not_convert


def spread(dataset, strategy, prepare=None):
    """The batches of a dataset, cut into a slice for each replica.

    The batches stay those of a single device, whatever the number of replicas; one of
    fewer rows than replicas leaves some with none. Each worker prepares its own slices
    and no other. It reads the whole dataset, in the order in which all do, except from
    this package's readers, whose `sliced` reads the rows of the slices only.

    Args:
        dataset: Dataset of batches: a nest of dense, ragged or sparse tensors, all
            with the batch first.
        strategy: tf.distribute.Strategy.
        prepare: Function from a Dataset of slices to one of prepared slices.

    Returns:
        tf.distribute.DistributedDataset; where there is one replica, a Dataset.
    """
    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        return prepare(dataset) if prepare else dataset

    def of_worker(context):
        # In the order in which Keras puts the answers of replicas together.
        mine = range(context.input_pipeline_id, replicas, context.num_input_pipelines)
        if hasattr(dataset, "sliced"):
            slices = dataset.sliced(mine, replicas)
        else:
            slices = row_slices(dataset, mine, replicas)
        return prepare(slices) if prepare else slices

    distributed = strategy.distribute_datasets_from_function(of_worker)
    # TensorFlow counts slices, of which several may be a worker's; Keras, batches.
    distributed._cardinality = int(dataset.cardinality())
    return distributed


def batch_spec(dataset):
    """Nest of tf.TypeSpec: what a replica gets of a Dataset, distributed or not."""
    return tf.nest.map_structure(
        lambda spec: getattr(spec, "_value_specs", [spec])[0], dataset.element_spec
    )


def several_steps(step, strategy, number):
    """What Keras calls with an iterator, to run steps on so many of its batches.

    Keras has one of its own, whose loop inside a graph cannot hold batches that are
    spread over replicas.

    Args:
        step: Function of a replica's slice to a dict of logs.
        strategy: tf.distribute.Strategy.
        number: int; fewer batches may be left.

    Returns:
        Function of an iterator to the last step's logs.
    """

    @tf.function(reduce_retracing=True, autograph=False)
    def one(batch):
        logs = strategy.run(step, (batch,))
        return keras_trainer.reduce_per_replica(logs, strategy, "auto")

    def several(iterator):
        logs = None
        for _ in range(number):
            batch = iterator.get_next_as_optional()
            if not batch.has_value():
                break
            logs = one(batch.get_value())
        if logs is None:
            raise StopIteration
        return logs

    return several


@contextlib.contextmanager
def with_peers(strategy):
    """Says in one sentence that another worker is gone.

    Raises:
        RuntimeError: TensorFlow has noticed it, within half a minute: of a process
            that has ended, and of one that does not answer any more.
    """
    try:
        yield
    except _GONE as error:
        if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            raise
        raise RuntimeError(
            "Another worker is gone, and the others cannot go on without it. Start the "
            "script on all machines again: with `training.ResumableRun` among the "
            "callbacks, `fit` goes on from the last checkpoint."
        ) from error


def with_class_weights(dataset, class_weight):
    """Batches (x, y) with a weight for each row, as Keras's `class_weight` says.

    Args:
        dataset: Dataset of (x, y), y int [B] or [B, 1], or float [B, classes].
        class_weight: dict of int to float; 1 for a class that it does not name.

    Raises:
        ValueError: The rows have weights already.
    """
    if len(dataset.element_spec) != 2:
        raise ValueError(
            "`class_weight` gives the rows their weights, and the data have weights "
            "already. Try one of the two."
        )
    weights = tf.constant(
        [class_weight.get(i, 1.0) for i in range(max(class_weight) + 1)], tf.float32
    )

    def weighted(x, y):
        number = tf.argmax(y, -1) if y.shape.rank > 1 and y.shape[-1] > 1 else y
        number = tf.reshape(tf.cast(number, tf.int64), [-1])
        return x, y, tf.gather(weights, number)

    return dataset.map(_as_it_is(weighted))


def share_of_loss(loss, y, sample_weight, y_pred):
    """What a replica's mean counts for in the mean over all replicas' rows.

    Keras takes the mean of the replicas' means, which is another number where rows, or
    the weights and masks that a mean is taken over, are spread unevenly.

    Args:
        loss: What `compile` was given.
        y, sample_weight, y_pred: As in `keras.Model.compute_loss`, on a replica.

    Returns:
        float, 1 on average over the replicas: to multiply the replica's loss by; None
        where it is 1 for sure.
    """
    context = tf.distribute.get_replica_context()
    reduction = getattr(loss, "reduction", "sum_over_batch_size")
    if context is None or context.num_replicas_in_sync == 1:
        return None
    if reduction not in ("sum_over_batch_size", "mean", "mean_with_sample_weight"):
        return None
    counted = tf.cast(tf.size(tf.nest.flatten(y)[0]), tf.float32)
    mask = getattr(y_pred, "_keras_mask", None)
    if reduction == "mean_with_sample_weight" and tf.is_tensor(sample_weight):
        weight = tf.cast(sample_weight, tf.float32)
        if mask is not None:
            weight *= tf.cast(mask, tf.float32)
        counted = tf.reduce_sum(weight)
    elif mask is not None:
        counted = tf.reduce_sum(tf.cast(mask, tf.float32))
    return tf.math.divide_no_nan(counted, _mean(context, counted))


class EvenMean(keras.metrics.Mean):
    """Mean of what replicas give, each of which counts for as much as any other.

    For losses that `share_of_loss` has weighted.
    """

    def update_state(self, values, sample_weight=None):
        context = tf.distribute.get_replica_context()
        spread = context is not None and context.num_replicas_in_sync > 1
        if spread and sample_weight is not None:
            sample_weight = _mean(context, tf.cast(sample_weight, tf.float32))
        return super().update_state(values, sample_weight)


def _mean(context, value):
    return context.all_reduce(tf.distribute.ReduceOp.MEAN, value)
