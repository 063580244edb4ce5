"""A first look that needs no data: reviews out of a grammar, and the baselines on them."""

import os
import time

import typer

from keras_nlp_lite import data
from keras_nlp_lite.cli import report
from keras_nlp_lite.cli.corpus import Reading, read_corpus
from keras_nlp_lite.cli.runs import Run
from keras_nlp_lite.cli.training import train_run

# What each model sees, and how it is trained: the reviews are few and short, so that
# the models' own learning rate would need many more epochs, and their own sequence
# length would be padding for the most part.
_BAG = {"epochs": 5, "learning_rate": 0.03}
_SEQUENCE = {"epochs": 5, "learning_rate": 0.01, "sequence_length": 80}
_MODELS = {
    "unigram": ("which words there are", _BAG),
    "bigram": ("which pairs of words, too", _BAG),
    "average": ("the mean of word vectors", _SEQUENCE),
    "lstm": ("word vectors, in order", {**_SEQUENCE, "epochs": 6}),
}

_TEXTS = [
    "What a gripping finale!",
    "There is not one boring minute in it.",
    "The ending was not good at all.",
]


def demo(folder, examples):
    """What `keras-nlp-lite demo` does.

    Args:
        folder: Where the reviews and a run for each model go; earlier ones there are
            replaced.
        examples: Reviews to train on, and as many to test on.
    """
    folder = os.fspath(folder)
    reviews = os.path.join(folder, "reviews")
    data.write_sample_reviews(reviews, examples=examples)
    typer.echo(
        f"A small grammar wrote {2 * examples:,} film reviews to {reviews}, half to "
        "train on and half to test on."
    )
    corpus = read_corpus(reviews, Reading(batch_size=64), validation_split=0.2)
    results, answers = [], []
    for name, (sees, settings) in _MODELS.items():
        typer.echo(f"Training {name + ',':<8} which sees {sees:<26}", nl=False)
        start = time.perf_counter()
        run = Run(os.path.join(folder, name))
        results.append(train_run(name, corpus, run, seed=0, verbose=0, **settings))
        answers.append(_answers(run.model()))
        typer.echo(f"{time.perf_counter() - start:5.1f} s")
    report.print_comparison("On the other half of the reviews", results)
    report.print_table("On three raw sentences", ["", *_MODELS], zip(_TEXTS, *answers))
    bigram = os.path.join(folder, "bigram")
    report.print_commands(
        {
            "See how they learned": ["tensorboard", "--logdir", folder],
            "Ask another sentence": [
                *("keras-nlp-lite", "predict", "--run", bigram, "not a boring minute")
            ],
            "Train on your texts": [
                *("keras-nlp-lite", "train", "--data", "FOLDER", "--model", "bigram")
            ],
        }
    )


def _answers(model):
    """list of str: the class of each text, and how sure the model is."""
    probabilities = model.predict_on_batch(_TEXTS)
    labels = [model.class_names[i] for i in probabilities.argmax(axis=1)]
    return [f"{name} {row.max():.2f}" for name, row in zip(labels, probabilities)]
