"""Trains some models for fifty steps, and prints what came of it as JSON.

    python tests/training/parity_run.py none|mirrored|auto FOLDER

On one device, on two logical ones, or on the workers that the environment names. The
order of the rows, and the weights at the start, are the same in all.
"""

import json
import os
import pathlib
import sys

import keras
import numpy as np
import tensorflow as tf

from keras_nlp_lite import data, models
from keras_nlp_lite.training.distribute import distribute
from keras_nlp_lite.training.optimizer import optimizer
from tests.tasks import encoders

WORDS = ["it", "is", "a", "joy", "film", "fine", "dull", "not", "bore", "and"]
ROWS, BATCH, EPOCHS = 75, 8, 5  # ten batches an epoch; the last one has 3 rows


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


def tagger():
    """Words under a mask: replicas hold unlike numbers of them."""
    model = models.TokenClassifier(
        encoders.backbone(),
        ["DET", "NOUN"],
        encoders.preprocessor(models.TokenClassifierPreprocessor),
        dropout=0.0,
    )
    tags = [["NOUN" if len(word) > 3 else "DET" for word in words] for words in texts()]
    dataset = tf.data.Dataset.from_tensor_slices(
        (tf.ragged.constant(texts()), tf.ragged.constant(tags))
    ).batch(BATCH)
    return model, (dataset,), {"cache": False}


def bag():
    """Sparse rows, from files that each replica reads its share of."""
    model = models.BagOfNgramsClassifier(2, max_tokens=30)
    folder = pathlib.Path(sys.argv[2]) / "texts"

    train = data.read_directory(folder, batch_size=BATCH, seed=3)
    model.adapt(train)
    return model, (train,), {"cache": False, "class_weight": {0: 0.5, 1: 2.0}}


def plain():
    """A model of Keras's own, which only the mend of Keras lets several workers train.

    It takes means of means, so that here the last batch has as many rows as the others.
    """
    model = keras.Sequential([keras.layers.Dense(5, "tanh"), keras.layers.Dense(1)])
    x = np.random.default_rng(2).normal(size=(10 * BATCH, 3)).astype("float32")
    options = {"batch_size": BATCH, "shuffle": False, "compile": {"loss": "mse"}}
    return model, (x, x.sum(-1, keepdims=True)), options


CASES = {
    "in memory": lambda: weighted(cache=True),
    "streamed": lambda: weighted(cache=False),
    "tagger": tagger,
    "bag": bag,
    "plain": plain,
    # Callbacks hear of three batches at once, and of the tenth alone.
    "several steps": lambda: weighted(cache=True, compile={"steps_per_execution": 3}),
}


def trained(make):
    keras.utils.set_random_seed(7)
    model, rows, options = make()
    model.compile(rates(), **{"steps_per_execution": 1, **options.pop("compile", {})})
    losses = []
    note = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: losses.append(float(logs["loss"]))
    )
    validation = (joined()[:17], labels()[:17])
    if len(rows) == 3:
        options["sample_weight"] = rows[2]
        options["validation_data"] = validation
        options["batch_size"] = BATCH
    history = model.fit(
        *rows[:2], epochs=EPOCHS, callbacks=[note], verbose=0, **options
    ).history
    answers = model.predict(joined() if len(rows) == 3 else rows[0], verbose=0)
    if isinstance(answers, tf.RaggedTensor):
        answers = answers.flat_values.numpy()
    return model, {
        "losses": losses,
        "history": {name: [float(x) for x in xs] for name, xs in history.items()},
        "evaluated": model.evaluate(*rows[:2], verbose=0, return_dict=True),
        "predicted": np.asarray(answers, "float64").ravel().tolist(),
    }


def main():
    how, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    if how == "mirrored":
        cpu = tf.config.list_physical_devices("CPU")[0]
        two = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, two)
    strategy = distribute(how)
    results = {"replicas": strategy.num_replicas_in_sync}
    for name, make in CASES.items():
        model, results[name] = trained(make)
    # What several wrote, one reads; the chief alone has written it.
    model.save(folder / "saved.keras")
    worker = os.environ.get("KERAS_NLP_LITE_WORKER", "0")
    (folder / f"results-{worker}.json").write_text(json.dumps(results))


if __name__ == "__main__":
    main()
