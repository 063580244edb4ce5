"""What `keras-nlp-lite tune` does."""

import ast
import os

from keras_nlp_lite import models, tuning
from keras_nlp_lite.checks import check_choice
from keras_nlp_lite.cli import report
from keras_nlp_lite.cli.corpus import read_corpus
from keras_nlp_lite.cli.runs import Run, describe
from keras_nlp_lite.cli.training import verbosity, versions

SPACES = {
    "ngrams": models.BagOfNgramsClassifier,
    "average": models.AveragedEmbeddingClassifier,
    "lstm": models.RecurrentClassifier,
    "transformer": models.TransformerClassifier,
    "encoder": models.TextClassifier,
}

# What `tuning.space` takes, but not from --set.
_ELSEWHERE = {
    "num_classes": "--data says how many classes there are; --classes picks some.",
    "model": "Try --space.",
    "preset": "Try --preset.",
    "corpus": "Tokenizers learn from what --data gives to train on.",
    "defaults": "Try --only-set.",
}


def tune(
    path,
    name,
    folder,
    reading,
    said,
    *,
    only_set,
    preset,
    validation_split,
    objective,
    direction,
    **settings,
):
    """Searches, tests the best model, and keeps it as `train` keeps its own.

    Args:
        path: Where the texts are; see `corpus.read_corpus`.
        name: A key of `SPACES`.
        folder: Of the search and of the best model.
        reading: A `corpus.Reading`.
        said: list of str, "argument=values".
        only_set: Whether other arguments stay as they are.
        preset: For "encoder"; None for one from nothing.
        validation_split: Share of the training texts to hold out.
        objective, direction: str, with commas between several.
        **settings: As for `tuning.search`.
    """
    check_choice("space", name, SPACES)
    if preset is not None and name != "encoder":
        raise ValueError(f"--preset is for encoder. Received: --space {name}.")
    ranges = dict(map(ranged, said))
    for argument, instead in _ELSEWHERE.items():
        if argument in ranges:
            raise ValueError(
                f"--set is for the arguments of models and training. Received: --set "
                f"{argument}=.... {instead}"
            )
    corpus = read_corpus(path, reading, validation_split)
    space = tuning.space(
        SPACES[name],
        preset=preset,
        defaults=not only_set,
        num_classes=len(corpus.class_names),
        **ranges,
    )
    objectives, directions = objective.split(","), direction.split(",")
    result = tuning.search(
        space,
        corpus.train,
        corpus.validation,
        objective=objectives if len(objectives) > 1 else objective,
        direction=directions if len(directions) > 1 else direction,
        directory=folder,
        seed=reading.seed,
        **settings,
    )
    best, model = result.best_trial(), result.best_model()
    scores = {"validation": best.metrics.get("val_accuracy")}
    if corpus.test is not None:
        tested = model.evaluate(corpus.test, return_dict=True, verbose=verbosity())
        scores["test"] = tested["accuracy"]
    run = Run(folder)
    kept = {
        **describe(model),
        "settings": {
            **reading.about(path),
            "validation_split": validation_split,
            "seed": reading.seed,
            "trial": best.trial_id,
            **best.values,
        },
        "accuracy": {part: x for part, x in scores.items() if x is not None},
        "versions": versions(),
    }
    run.keep(model, kept)
    report.print_results(f"{run.folder}: the best of {len(result.trials)} trials", kept)
    if len(result.objectives) > 1:
        picture = os.path.join(run.folder, "front.svg")
        result.plot(picture)
    program = "keras-nlp-lite"
    report.print_commands(
        {
            "Look": [
                "tensorboard",
                "--logdir",
                os.path.join(run.folder, "tensorboard"),
            ],
            "Ask": [program, "predict", "--run", run.folder, "not good"],
            "Serve": [program, "export", "--run", run.folder, "--to", f"served/{name}"],
        }
    )


def ranged(said):
    """(argument, what `tuning.space` takes of it), as --set spells it.

    Args:
        said: "argument=value", "argument=a,b,c" or "argument=low:high[:log or step]".

    Raises:
        ValueError: it is none of these.

    Example:

    >>> (
    ...     ranged("ngrams=1,2"),
    ...     ranged("learning_rate=1e-4:1e-2:log"),
    ...     ranged("mode=count"),
    ... )
    (('ngrams', [1, 2]), ('learning_rate', (0.0001, 0.01, 'log')), ('mode', 'count'))
    """
    name, equals, values = said.partition("=")
    name = name.strip().replace("-", "_")
    if not (equals and name and values):
        raise ValueError(
            f"--set takes NAME=VALUES. Received: {said!r}. Try ngrams=2, ngrams=1,2,3 or "
            "learning_rate=1e-4:1e-2:log."
        )
    if "," in values:
        return name, [_value(word) for word in values.split(",") if word]
    if ":" in values:
        return name, tuple(_value(word) for word in values.split(":"))
    return name, _value(values)


def _value(word):
    """A number, True, False or None where that is spelled; else the word."""
    try:
        value = ast.literal_eval(word.strip())
    except (ValueError, SyntaxError):
        return word.strip()
    return value if isinstance(value, (int, float, bool, type(None))) else word
