"""Processes that train together: how they are told so, and which of them writes.

TensorFlow is imported only where it is needed: who starts workers does not need it.
"""

import contextlib
import os
import tempfile

from keras_nlp_lite.atomic import replacing

# Variables of the environment, set by `keras-nlp-lite launch`, or by hand where nothing
# else starts the workers: "host:port,host:port,...", and a worker's number, from 0.
WORKERS, WORKER = "KERAS_NLP_LITE_WORKERS", "KERAS_NLP_LITE_WORKER"


def is_chief(strategy=None):
    """Whether this process is the one, of several workers, that writes files.

    Args:
        strategy: tf.distribute.Strategy; the one in force by default.

    Returns:
        bool; True where there is one process only.
    """
    import tensorflow as tf

    strategy = strategy or tf.distribute.get_strategy()
    return strategy.extended.should_checkpoint


@contextlib.contextmanager
def replacing_by_chief(path, strategy=None):
    """As `replacing`, for what several workers have to do together.

    TensorFlow may need all of them while one reads variables. The others than the chief
    get a path to write to that does not last.

    Args:
        path: File or folder to replace.
        strategy: As in `is_chief`.

    Yields:
        str, the path to write to.
    """
    if is_chief(strategy):
        with replacing(path) as temporary:
            yield temporary
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield os.path.join(folder, os.path.basename(path))
