"""One line that spreads a script over the devices and machines that there are."""

import random

import keras
import tensorflow as tf
from keras.src.utils import rng_utils

from keras_nlp_lite.checks import check_choice
from keras_nlp_lite.training.agreement import numbers_of_all
from keras_nlp_lite.training.cluster import find_cluster
from keras_nlp_lite.training.multi_worker import mend_keras

CHOICES = ("auto", "none", "mirrored", "multi_worker")


def distribute(how="auto"):
    """Makes models that are built from now on train on several devices or machines.

    It stands on top of a script, before anything else uses TensorFlow; the rest of the
    script stays as it is. The batches that it names are global ones: 32 rows on two
    devices are 16 on each, and training takes the course that it takes on one, but for
    dropout, which each device draws by itself. Such a strategy holds for the whole
    program. `keras.utils.set_random_seed`, where it is wanted, stands in the next line,
    before the data and the model are made.

    Args:
        how: "auto": several machines where the environment says so (`TF_CONFIG`,
            Slurm, Kubernetes; see `training.cluster.find_cluster`), else all GPUs that
            are visible, else all CPUs where there are several logical ones, else none.
            "multi_worker", "mirrored" and "none" insist on one of these. Or a
            `tf.distribute.Strategy`.

    Returns:
        tf.distribute.Strategy, under which the program now is. `with strategy.scope():`
        is allowed around models, and not needed.

    Raises:
        ValueError: "multi_worker" where no variable tells of other machines.
        RuntimeError: TensorFlow is in use already, or Keras is one whose trainer is not
            known to work on several machines.

    Example:

    >>> distribute("none").num_replicas_in_sync
    1
    """
    if isinstance(how, tf.distribute.Strategy):
        strategy = how
    else:
        check_choice("how", how, CHOICES)
        strategy = _choose(how)
    several = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
    if several:
        mend_keras()
    if strategy is not tf.distribute.get_strategy():
        tf.distribute.experimental_set_strategy(strategy)
    if several:
        _agree_on_seed(strategy)
    return strategy


def _choose(how):
    cluster = find_cluster() if how in ("auto", "multi_worker") else None
    if cluster:
        return _workers(cluster)
    if how == "multi_worker":
        raise ValueError(
            "No variable of the environment tells of other machines. Received: "
            "how='multi_worker'. Try keras-nlp-lite launch --workers 2 script.py, "
            "TF_CONFIG, Slurm's srun, or how='auto'."
        )
    devices = tf.config.list_logical_devices("GPU") or (
        tf.config.list_logical_devices("CPU")
    )
    if how == "none" or (how == "auto" and len(devices) == 1):
        return tf.distribute.get_strategy()
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def _workers(cluster):
    try:
        return tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=cluster)
    except RuntimeError as error:
        raise RuntimeError(
            "Several machines can be joined only before TensorFlow is used. Try "
            "`knl.training.distribute(...)` as the first line behind the imports."
        ) from error


def _agree_on_seed(strategy):
    """Has every worker draw the same numbers, so that all shuffle alike.

    `keras.utils.set_random_seed` has the last word, before and after.
    """
    if rng_utils.get_random_seed() is not None:
        return
    own = random.SystemRandom().randrange(2**31)
    keras.utils.set_random_seed(numbers_of_all(strategy, own)[0])
