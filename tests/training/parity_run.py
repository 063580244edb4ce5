"""Trains some models for fifty steps, and writes what came of it as JSON.

    python tests/training/parity_run.py mirrored|auto FOLDER

On two logical devices, or on the workers that the environment names; `results` is what it
does on those that there are. The order of the rows, and the weights at the start, are the
same in all.
"""

import json
import os
import pathlib
import sys

import keras
import numpy as np
import tensorflow as tf

from keras_nlp_lite import data, models
from keras_nlp_lite.monitoring import TensorBoard
from keras_nlp_lite.tasks.task import Task
from keras_nlp_lite.training.best_checkpoint import BestCheckpoint
from keras_nlp_lite.training.distribute import distribute
from keras_nlp_lite.training.optimizer import optimizer
from keras_nlp_lite.training.resumable_run import ResumableRun
from keras_nlp_lite.training.stop_on_nan import StopOnNaN
from keras_nlp_lite.training.throughput import Throughput
from keras_nlp_lite.workers import WORKER, WORKERS
from tests.tasks import encoders

WORDS = ["it", "is", "a", "joy", "film", "fine", "dull", "not", "bore", "and"]
ROWS, BATCH, EPOCHS = 75, 8, 5  # ten batches an epoch; the last one has 3 rows
NUMBER = os.environ.get(WORKER, "0")


def texts():
    rng = np.random.default_rng(0)
    rows = rng.integers(len(WORDS), size=[ROWS, 6])
    lengths = rng.integers(1, 7, size=ROWS)
    return [[WORDS[i] for i in row[:n]] for row, n in zip(rows, lengths)]


def labels():
    return [int("joy" in words or "fine" in words) for words in texts()]


def weights():
    return np.random.default_rng(1).uniform(0.1, 2, size=ROWS).astype("float32")


def joined():
    return [" ".join(words) for words in texts()]


def rates():
    """All that makes a step more than a gradient."""
    return optimizer("adamw", 0.01, schedule="cosine", warmup=0.2, clip=0.5, ema=0.9)


def weighted(**options):
    """Texts with weights. Quick to trace; the tagger is a Transformer."""
    model = models.AveragedEmbeddingClassifier(2, max_tokens=30, dropout=0.0)
    model.adapt(joined())
    return model, (joined(), labels(), weights()), options


def streamed(folder):
    """Rows that are prepared anew in each epoch."""
    return weighted(cache=False, ask=False)


def tagger(folder):
    """Words under a mask: replicas hold unlike numbers of them."""
    model = models.TokenClassifier(
        encoders.backbone(num_layers=1),
        ["DET", "NOUN"],
        encoders.preprocessor(models.TokenClassifierPreprocessor),
        dropout=0.0,
    )
    tags = [["NOUN" if len(word) > 3 else "DET" for word in words] for words in texts()]
    dataset = tf.data.Dataset.from_tensor_slices(
        (tf.ragged.constant(texts()), tf.ragged.constant(tags))
    ).batch(BATCH)
    return model, (dataset,), {"cache": False}


def bag(folder):
    """Sparse rows, from files that each replica reads its share of."""
    model = models.BagOfNgramsClassifier(2, max_tokens=30)
    train = data.read_directory(folder / "texts", batch_size=BATCH, seed=3)
    model.adapt(train)
    return model, (train,), {"cache": False, "class_weight": {0: 0.5, 1: 2.0}}


def plain(folder):
    """A model of Keras's own, which only the mend of Keras lets several workers train.

    It takes means of means, so that here the last batch has as many rows as the others.
    """
    model = keras.Sequential([keras.layers.Dense(5, "tanh"), keras.layers.Dense(1)])
    x = np.random.default_rng(2).normal(size=(10 * BATCH, 3)).astype("float32")
    options = {"batch_size": BATCH, "shuffle": False, "compile": {"loss": "mse"}}
    return model, (x, x.sum(-1, keepdims=True)), options


def watched(folder):
    """Rows kept in memory, and callbacks that write and that take part in the step, which
    hear of three batches at once, and of the tenth alone."""
    mine = folder / f"of-{NUMBER}"
    best = BestCheckpoint(mine / "best.keras", "loss", verbose=0)
    run = ResumableRun(mine / "run", every_steps=7)
    callbacks = [Throughput(), StopOnNaN(), TensorBoard(mine / "board"), best, run]
    steps = {"steps_per_execution": 3}
    return weighted(
        cache=True, compile=steps, callbacks=callbacks, validation_freq=EPOCHS
    )


CASES = {
    "streamed": streamed,
    "tagger": tagger,
    "bag": bag,
    "plain": plain,
    "several steps": watched,
}


def trained(make, folder):
    keras.utils.set_random_seed(7)
    model, rows, options = make(folder)
    model.compile(rates(), **{"steps_per_execution": 1, **options.pop("compile", {})})
    losses = []
    note = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: losses.append(float(logs["loss"]))
    )
    callbacks, ask = options.pop("callbacks", ()), options.pop("ask", True)
    validation = (joined()[:17], labels()[:17])
    if len(rows) == 3:
        options["sample_weight"] = rows[2]
        options["validation_data"] = validation
        options["batch_size"] = BATCH
    history = model.fit(
        *rows[:2], epochs=EPOCHS, callbacks=[*callbacks, note], verbose=0, **options
    ).history
    told = {
        "losses": losses,
        "history": {name: [float(x) for x in xs] for name, xs in history.items()},
    }
    if ask:
        # Aloud: of several workers, the first alone is heard.
        aloud = {"verbose": 2 if isinstance(model, Task) else 0}
        told["evaluated"] = model.evaluate(*rows[:2], return_dict=True, **aloud)
        answers = model.predict(joined() if len(rows) == 3 else rows[0], **aloud)
        if isinstance(answers, tf.RaggedTensor):
            answers = answers.flat_values.numpy()
        told["predicted"] = np.asarray(answers, "float64").ravel().tolist()
    return model, told


def refusal(model, folder):
    """What workers are told that keep a run in folders of their own."""
    run = ResumableRun(folder / f"of-{NUMBER}" / "run")
    try:
        model.fit(joined(), labels(), callbacks=[run], verbose=0)
    except ValueError as error:
        return str(error)
    return ""


def results(strategy, folder):
    """(the last model, dict of what all told)"""
    told = {"replicas": strategy.num_replicas_in_sync}
    for name, make in CASES.items():
        model, told[name] = trained(make, folder)
    return model, told


def main():
    how, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    if how == "mirrored":
        cpu = tf.config.list_physical_devices("CPU")[0]
        two = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, two)
    model, told = results(distribute(how), folder)
    # What several wrote, one reads; the chief alone has written it.
    model.save(folder / "saved.keras")
    if WORKERS in os.environ:
        told["refusal"] = refusal(model, folder)
    (folder / f"results-{NUMBER}.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main()
