"""Samplers by name and by config."""

import difflib

import keras

from keras_nlp_lite.samplers.beam_sampler import BeamSampler
from keras_nlp_lite.samplers.contrastive_sampler import ContrastiveSampler
from keras_nlp_lite.samplers.greedy_sampler import GreedySampler
from keras_nlp_lite.samplers.min_p_sampler import MinPSampler
from keras_nlp_lite.samplers.random_sampler import RandomSampler
from keras_nlp_lite.samplers.top_k_sampler import TopKSampler
from keras_nlp_lite.samplers.top_p_sampler import TopPSampler
from keras_nlp_lite.samplers.typical_sampler import TypicalSampler

_BY_NAME = {
    "beam": BeamSampler,
    "contrastive": ContrastiveSampler,
    "greedy": GreedySampler,
    "min_p": MinPSampler,
    "random": RandomSampler,
    "top_k": TopKSampler,
    "top_p": TopPSampler,
    "typical": TypicalSampler,
}


def serialize(sampler):
    """The sampler's config: a dict that `deserialize` takes, and that JSON can hold."""
    return keras.saving.serialize_keras_object(sampler)


def deserialize(config, custom_objects=None):
    """The sampler of a config or a name.

    Args:
        config: A dict from `serialize`, or one of "class_name" and "config"; or a name
            that `get` knows.
        custom_objects: Dict of the classes that are not registered, by name.

    Raises:
        ValueError: no sampler has this name.

    Example:

    >>> deserialize(serialize(TopKSampler(k=3))).k
    3
    """
    if isinstance(config, str):
        return _named({**_BY_NAME, **(custom_objects or {})}, config)()
    return keras.saving.deserialize_keras_object(
        config,
        custom_objects=custom_objects,
        module_objects={**_BY_NAME, **{x.__name__: x for x in _BY_NAME.values()}},
        printable_module_name="samplers",
    )


def get(identifier):
    """A sampler, of whatever says which.

    Args:
        identifier: "beam", "contrastive", "greedy", "min_p", "random", "top_k", "top_p"
            or "typical"; a config; a sampler, which is returned as it is, as any
            callable is, and None; or a sampler's class.

    Raises:
        ValueError: it says none.

    Example:

    >>> get("top_p").p
    0.1
    """
    if isinstance(identifier, (dict, str)):
        return deserialize(identifier)
    if isinstance(identifier, type):
        return identifier()
    if identifier is None or callable(identifier):
        return identifier
    raise ValueError(
        "A sampler is given by name, config or itself. Received: "
        f"{identifier!r}. Try 'greedy'."
    )


def _named(samplers, name):
    if name in samplers:
        return samplers[name]
    names = ", ".join(map(repr, samplers))
    close = difflib.get_close_matches(name.lower(), samplers, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(f"Samplers are {names}. Received: {name!r}.{hint}")
