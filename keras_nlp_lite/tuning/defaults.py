"""What is searched where nothing else is said: the ranges that are usual in the field."""

import inspect

from keras_nlp_lite import models

# A word of text classification's practice for each. The first value of a list is no
# better than the others: a search begins with the model's own default.
_VOCABULARY = {"max_tokens": [5_000, 10_000, 20_000, 40_000]}
_SEQUENCE = {
    **_VOCABULARY,
    "sequence_length": [125, 250, 500],
    "embedding_dim": [16, 32, 64, 128],
}
# Of models that learn from nothing: as Adam in Keras does, and around it.
_FROM_SCRATCH = {
    "optimizer": ["adam", "adamw"],
    "learning_rate": (2e-4, 2e-2, "log"),
    "schedule": ["constant", "linear"],
    "warmup": [0.0, 0.1],
    "weight_decay": [0.0, 0.01, 0.1],
    "batch_size": [32, 64, 128],
}
# Where a search of them begins: what `compile()` takes.
_FROM_SCRATCH_FIRST = {
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "schedule": "constant",
    "warmup": 0.0,
    "weight_decay": 0.0,
    "batch_size": 32,
}
# Of fine-tuning: the ranges of BERT's and RoBERTa's papers, a little wider.
_FINE_TUNING = {
    "learning_rate": (1e-5, 1e-4, "log"),
    "warmup": (0.0, 0.2),
    "weight_decay": [0.0, 0.01, 0.1],
    "layer_decay": [None, 0.95, 0.9],
    "batch_size": [16, 32],
}
_FINE_TUNING_FIRST = {
    "optimizer": "adamw",
    "learning_rate": 5e-5,
    "schedule": "linear",
    "warmup": 0.06,
    "weight_decay": 0.01,
    "layer_decay": None,
    "batch_size": 32,
}
_HEAD = {
    "sequence_length": [128, 256],
    "pooling": ["cls", "mean", "max"],
    "dropout": (0.0, 0.3),
}

# An encoder of our layers, in the place of a preset: `scratch.py` makes it.
_ENCODER = {
    "tokenizer": ["wordpiece", "bpe"],
    "vocabulary_size": [4_000, 8_000, 16_000],
    "num_layers": [1, 2, 4],
    "hidden_dim": [64, 128, 256],
    "num_heads": [2, 4],
    "feedforward_ratio": [2, 4],
    "encoder_dropout": (0.0, 0.3),
    "activation": ["gelu", "relu", "swish"],
    "normalize_first": [False, True],
}
_ENCODER_FIRST = {
    "tokenizer": "wordpiece",
    "vocabulary_size": 8_000,
    "num_layers": 2,
    "hidden_dim": 128,
    "num_heads": 2,
    "feedforward_ratio": 4,
    "encoder_dropout": 0.1,
    "activation": "gelu",
    "normalize_first": False,
}

_OF_CLASS = {
    models.BagOfNgramsClassifier: {
        "ngrams": [1, 2, 3],
        "max_tokens": [10_000, 20_000, 50_000, 100_000],
        "mode": ["multi_hot", "tf_idf", "log_count_ratio"],
        "min_frequency": [1, 2, 3],
    },
    models.AveragedEmbeddingClassifier: {**_SEQUENCE, "dropout": (0.0, 0.7)},
    models.RecurrentClassifier: {
        **_SEQUENCE,
        "sequence_length": [125, 250],
        "units": [16, 32, 64],
        "dropout": (0.0, 0.7),
        "word_dropout": (0.0, 0.5),
    },
    models.TransformerClassifier: {
        **_SEQUENCE,
        "sequence_length": [125, 250],
        "num_layers": [1, 2, 3],
        "num_heads": [1, 2, 4],
        "intermediate_dim": [32, 64, 128, 256],
        "dropout": (0.0, 0.5),
        "activation": ["relu", "gelu", "swish"],
        "normalize_first": [False, True],
    },
}


def known_ranges(model, preset=None):
    """What is searched of a model's arguments and of its training by default.

    Args:
        model: Class of a task.
        preset: Where a task on an encoder begins with one.

    Returns:
        (dict of what may be said of an argument, dict of defaults to begin with).

    Example:

    >>> ranges, first = known_ranges(models.BagOfNgramsClassifier)
    >>> ranges["ngrams"], first["ngrams"]
    ([1, 2, 3], 1)
    """
    if preset is not None:
        head = _HEAD if model is models.TextClassifier else {}
        return {**head, **_FINE_TUNING}, {**own(model), **_FINE_TUNING_FIRST}
    if model is models.TextClassifier:
        rate = {"learning_rate": (5e-5, 2e-3, "log")}
        first = {**_FINE_TUNING_FIRST, "learning_rate": 3e-4, "sequence_length": 256}
        return (
            {**_HEAD, **_ENCODER, **_FINE_TUNING, **rate},
            {**own(model), **_ENCODER_FIRST, **first},
        )
    for kind, ranges in _OF_CLASS.items():
        if issubclass(model, kind):
            return {**ranges, **_FROM_SCRATCH}, {**own(model), **_FROM_SCRATCH_FIRST}
    return dict(_FROM_SCRATCH), {**own(model), **_FROM_SCRATCH_FIRST}


def own(model):
    """dict of the defaults that a class's constructor names."""
    parameters = inspect.signature(model.__init__).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}
