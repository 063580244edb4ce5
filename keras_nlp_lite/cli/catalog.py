"""The models that the command line knows by a short name."""

import inspect

from keras_nlp_lite import models
from keras_nlp_lite.checks import check_choice

# Each changes one thing about the one before it. The sizes are those that suit a few
# ten thousand texts.
CATALOG = {
    "unigram": (models.BagOfNgramsClassifier, {"max_tokens": 10_000, "ngrams": 1}),
    "bigram": (models.BagOfNgramsClassifier, {"max_tokens": 20_000, "ngrams": 2}),
    "average": (models.AveragedEmbeddingClassifier, {"max_tokens": 10_000}),
    "lstm": (models.RecurrentClassifier, {"max_tokens": 10_000}),
    "transformer": (models.TransformerClassifier, {"max_tokens": 10_000}),
}


def arguments(name, **settings):
    """The arguments that a model is made with.

    Args:
        name: A key of `CATALOG`.
        **settings: Arguments of the model's class, instead of the catalog's; None
            leaves one as it is.

    Returns:
        dict.

    Raises:
        ValueError: No such model, or it takes no such argument.

    Example:

    >>> arguments("bigram", max_tokens=5_000, mode=None)
    {'max_tokens': 5000, 'ngrams': 2}
    """
    check_choice("model", name, CATALOG)
    kind, defaults = CATALOG[name]
    settings = {key: value for key, value in settings.items() if value is not None}
    for key in settings:
        if not _takes(kind, key):
            others = [other for other in CATALOG if _takes(CATALOG[other][0], key)]
            raise ValueError(
                f"--{key.replace('_', '-')} is for {', '.join(others)}. Received: "
                f"--model {name}, which has no use for it."
            )
    return {**defaults, **settings}


def _takes(kind, argument):
    return argument in inspect.signature(kind.__init__).parameters
