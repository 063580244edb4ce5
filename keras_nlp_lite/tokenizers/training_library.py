"""The library that learns byte pairs and word pieces, and the sentence when it is missing."""

import importlib
import json
import sys


def training_library(name):
    """Imports what trains vocabularies, which nothing else here needs.

    Args:
        name: "tokenizers" or "sentencepiece".

    Returns:
        The module.

    Raises:
        ImportError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"Training this vocabulary needs `{name}`, which is not installed. Try "
            "`pip install keras-nlp-lite[tokenizers]`."
        ) from error


def learn_merges(items, splitting, **settings):
    """Learns byte-pair merges with the library `tokenizers`, deterministically.

    Args:
        items: Iterable of str.
        splitting: Its pre-tokenizer, which cuts each item to words.
        **settings: Of its `BpeTrainer`.

    Returns:
        A tuple of a dict from token to id, in the order of the ids; and of a list of
        pairs of tokens, the merges.

    Reference: Moi and Patry, "HuggingFace's Tokenizers",
    github.com/huggingface/tokenizers.
    """
    library = training_library("tokenizers")
    learner = library.Tokenizer(library.models.BPE())
    learner.pre_tokenizer = splitting
    settings = {"show_progress": sys.stderr.isatty(), **settings}
    learner.train_from_iterator(items, library.trainers.BpeTrainer(**settings))
    model = json.loads(learner.to_str())["model"]
    vocabulary = sorted(model["vocab"].items(), key=lambda item: item[1])
    return dict(vocabulary), [tuple(merge) for merge in model["merges"]]
