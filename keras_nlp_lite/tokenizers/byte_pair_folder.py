"""A family's byte pairs in a Hugging Face folder."""

import os
import tempfile

from keras_nlp_lite.tokenizers.hugging_face_files import (
    TOKENIZER_JSON,
    read_byte_pairs,
    write_config,
)
from keras_nlp_lite.tokenizers.tokenizer_json_writing import write_tokenizer_json

# What `save_assets` writes, and what it is called there.
_FILES = {"vocabulary.json": "vocab.json", "merges.txt": "merges.txt"}


def byte_pairs_from_folder(cls, folder, settings, normalizer=None):
    """A family's tokenizer, from a folder that `read_byte_pairs` can read.

    Args:
        cls: A subclass of `SpecialBytePairs`.
        folder: Path of a folder.
        settings: dict, arguments of the class, in place of what the folder says.
        normalizer: As in `byte_pair_arguments`.

    Returns:
        One of that class, whose special tokens are the family's and those of the folder.
    """
    said = {**read_byte_pairs(folder, normalizer), **settings}
    if "special_tokens" in said and "special_tokens" not in settings:
        roles = {k: v for k, v in settings.items() if k in ("bos_token", "eos_token")}
        names = [x for x in cls(**roles).special_token_names if x in said["vocabulary"]]
        said["special_tokens"] = [*dict.fromkeys([*names, *said["special_tokens"]])]
    return cls(**said)


def byte_pairs_to_folder(tokenizer, folder, tokenizer_class):
    """Writes `vocab.json`, `merges.txt`, `tokenizer.json` and its config.

    Args:
        tokenizer: A `SpecialBytePairs`.
        folder: Path of the folder, which is made if it is not there.
        tokenizer_class: str, the class's name in `transformers`.
    """
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=folder) as scratch:
        tokenizer.save_assets(scratch)
        for name, known_as in _FILES.items():
            os.replace(os.path.join(scratch, name), os.path.join(folder, known_as))
    write_tokenizer_json(tokenizer, os.path.join(folder, TOKENIZER_JSON))
    roles = {
        "bos_token": tokenizer.start_token,
        "eos_token": tokenizer.end_token,
        "pad_token": tokenizer.pad_token,
        "mask_token": tokenizer.mask_token,
    }
    roles = {role: token for role, token in roles.items() if token is not None}
    write_config(
        folder,
        {
            "tokenizer_class": tokenizer_class,
            "add_prefix_space": tokenizer.add_prefix_space,
            **roles,
        },
    )
