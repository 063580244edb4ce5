"""A progress bar for work that may or may not take long."""

import time

import keras


def waiting_bar(dataset, message="Preparing text, once", patience=2.0):
    """Shows how far reading has come, once it has taken long enough to wonder.

    Args:
        dataset: tf.data.Dataset that is being read.
        message: What to say first.
        patience: Seconds without a word.

    Returns:
        A function to call with the number of batches so far.
    """
    total = int(dataset.cardinality())
    bar = keras.utils.Progbar(total if total > 0 else None, unit_name="batch")
    start = time.monotonic()
    shown = False

    def show(batches):
        nonlocal shown
        if time.monotonic() - start > patience:
            if not shown:
                print(message)
                shown = True
            bar.update(batches, finalize=batches == total)

    return show
