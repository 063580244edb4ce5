"""One run, from datasets to a trained model in its folder, and the `train` command."""

import importlib.metadata
import platform
import sys
import time

import keras
import tensorflow as tf

from keras_nlp_lite.cli import report
from keras_nlp_lite.cli.catalog import CATALOG, arguments
from keras_nlp_lite.cli.corpus import read_corpus
from keras_nlp_lite.cli.runs import Run, describe
from keras_nlp_lite.version import __version__


def train(
    path,
    name,
    run,
    reading,
    *,
    overwrite,
    validation_split,
    epochs,
    learning_rate,
    **settings,
):
    """What `keras-nlp-lite train` does.

    Args:
        path: Where the texts are; see `corpus.read_corpus`.
        name: The model; see `catalog.arguments`.
        run: Folder of the run.
        reading: A `corpus.Reading`.
        overwrite: Whether an earlier run in that folder may go.
        validation_split: Share of the training texts to hold out.
        epochs: Passes over the training texts.
        learning_rate: None for the model's own.
        **settings: As for `catalog.arguments`.
    """
    run = Run(run)
    if not overwrite:
        run.check_new()
    arguments(name, **settings)  # what is wrong with them is better said at once
    corpus = read_corpus(path, reading, validation_split)
    results = train_run(
        name,
        corpus,
        run,
        epochs=epochs,
        seed=reading.seed,
        verbose=verbosity(),
        learning_rate=learning_rate,
        about={**reading.about(path), "validation_split": validation_split},
        **settings,
    )
    report.print_results(run.folder, results)
    program = "keras-nlp-lite"
    report.print_commands(
        {
            "Look": ["tensorboard", "--logdir", run.folder],
            "Ask": [program, "predict", "--run", run.folder, "not good"],
            "Serve": [program, "export", "--run", run.folder, "--to", f"served/{name}"],
        }
    )


def train_run(
    name,
    corpus,
    run,
    *,
    epochs,
    seed,
    verbose,
    learning_rate=None,
    about=None,
    **settings,
):
    """Trains a model and keeps it, with its results, in the folder of a run.

    Args:
        name: The model; see `catalog.arguments`.
        corpus: A `corpus.Corpus`.
        run: A `runs.Run`; an earlier one in its folder is replaced.
        epochs: Passes over the training texts.
        seed: Of the weights, of dropout and of the order in which arrays come.
        verbose: As in Keras.
        learning_rate: Instead of the model's own.
        about: dict, more settings to keep with the results.
        **settings: As for `catalog.arguments`.

    Returns:
        dict, what `results.json` holds; accuracies as fractions, times in seconds.
    """
    settings = arguments(name, **settings)
    keras.utils.set_random_seed(seed)
    model = CATALOG[name][0](len(corpus.class_names), **settings)
    optimizer = model.auto_optimizer()
    if learning_rate is not None:
        optimizer.learning_rate = learning_rate
    seconds, start = {}, time.perf_counter()
    model.adapt(corpus.train)
    model.compile(optimizer=optimizer)
    seconds["adapt"] = time.perf_counter() - start

    start = time.perf_counter()
    history = model.fit(
        corpus.train,
        validation_data=corpus.validation,
        epochs=epochs,
        callbacks=[
            run.monitor(
                {
                    "model": name,
                    "learning_rate": float(optimizer.learning_rate),
                    "seed": seed,
                    **settings,
                }
            )
        ],
        verbose=verbose,
    ).history
    seconds["fit"] = time.perf_counter() - start
    accuracy = {"training": history["accuracy"][-1]}
    if corpus.validation is not None:
        accuracy["validation"] = history["val_accuracy"][-1]
    if corpus.test is not None:
        start = time.perf_counter()
        tested = model.evaluate(corpus.test, return_dict=True, verbose=verbose)
        seconds["test"] = time.perf_counter() - start
        accuracy["test"] = tested["accuracy"]

    results = {
        "model": name,
        **describe(model),
        "settings": {
            **(about or {}),
            "epochs": epochs,
            "seed": seed,
            "learning_rate": round(float(optimizer.learning_rate), 8),
            **settings,
        },
        "accuracy": accuracy,
        "seconds": seconds,
        "versions": versions(),
    }
    run.keep(model, results)
    return results


def versions():
    """What results depend on: dict of str."""
    return {
        "keras_nlp_lite": __version__,
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "tensorflow_text": importlib.metadata.version("tensorflow-text"),
        "python": platform.python_version(),
    }


def verbosity():
    """Keras's `verbose`: a progress bar for people, a line an epoch for files."""
    return 1 if sys.stdout.isatty() else 2
