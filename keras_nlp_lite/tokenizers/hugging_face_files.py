"""The files of a tokenizer in a Hugging Face folder."""

import json
import os

from keras_nlp_lite.atomic import replacing
from keras_nlp_lite.tokenizers.tokenizer_json import byte_pair_arguments

TOKENIZER_JSON = "tokenizer.json"
_CONFIG = "tokenizer_config.json"


def read_json(path):
    """The JSON object in a file, as a dict; a ValueError where there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            said = json.load(file)
    except ValueError as error:
        raise ValueError(
            f"A tokenizer's settings must be JSON. Received: {path!r}, with {error}."
        ) from error
    if not isinstance(said, dict):
        raise ValueError(
            f"A tokenizer's settings must be a JSON object. Received: {path!r}, with "
            f"{str(said)[:80]}."
        )
    return said


def read_config(folder):
    """dict, what `tokenizer_config.json` says; empty where there is none."""
    path = os.path.join(folder, _CONFIG)
    return read_json(path) if os.path.exists(path) else {}


def write_config(folder, said):
    """Writes `tokenizer_config.json`."""
    with (
        replacing(os.path.join(folder, _CONFIG)) as path,
        open(path, "w", encoding="utf-8") as file,
    ):
        json.dump(said, file, indent=2, ensure_ascii=False)


def token_in(config, name, default=None):
    """str, a special token by its role, such as "eos_token", or the default."""
    token = config.get(name)
    if isinstance(token, dict):
        token = token.get("content")
    return default if token is None else token


def read_byte_pairs(folder, normalizer=None):
    """Arguments of a `BytePairTokenizer`, from a folder.

    Args:
        folder: Has `tokenizer.json`, or `vocab.json` and `merges.txt`; the latter do not
            say how words are cut, nor which tokens were added.
        normalizer: As in `byte_pair_arguments`.

    Returns:
        dict, without "special_tokens" where they are not known.

    Raises:
        ValueError: none of these files is there, or one asks for something else than a
            `BytePairTokenizer` does.
    """
    whole = os.path.join(folder, TOKENIZER_JSON)
    if os.path.exists(whole):
        said = byte_pair_arguments(whole, normalizer)
        del said["added_tokens"]
        return said
    paths = [os.path.join(folder, name) for name in ("vocab.json", "merges.txt")]
    if not all(map(os.path.exists, paths)):
        raise ValueError(
            "A folder with byte pairs must hold tokenizer.json, or vocab.json and "
            f"merges.txt. Received: {os.fspath(folder)!r}, which holds "
            f"{', '.join(sorted(os.listdir(folder))[:8]) or 'nothing'}."
        )
    config = read_config(folder)
    vocabulary = read_json(paths[0])
    said = {"add_prefix_space": bool(config.get("add_prefix_space", False))}
    added = config.get("added_tokens_decoder") or {}
    if added:
        special = [x["content"] for x in added.values() if x.get("special")]
        said["special_tokens"] = special
        said["unsplittable_tokens"] = [
            x["content"] for x in added.values() if x["content"] not in special
        ]
    for id, token in added.items():
        vocabulary.setdefault(token["content"], int(id))
    return {**said, "vocabulary": vocabulary, "merges": paths[1]}
