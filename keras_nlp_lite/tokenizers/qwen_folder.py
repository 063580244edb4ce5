"""The tokenizer of Qwen 2 and those after it in a Hugging Face folder."""

from keras_nlp_lite.tokenizers.byte_pair_folder import (
    byte_pairs_from_folder,
    byte_pairs_to_folder,
)
from keras_nlp_lite.tokenizers.composed_text import FORM
from keras_nlp_lite.tokenizers.hugging_face_files import read_config, token_in
from keras_nlp_lite.tokenizers.qwen_tokenizer import QwenTokenizer


def qwen_from_folder(folder, **kwargs):
    """The tokenizer of a folder with `tokenizer.json`, or `vocab.json` and `merges.txt`.

    Args:
        folder: Path of a folder; `tokenizer_config.json`, if it is there, says which
            token ends a text.
        **kwargs: Arguments of the class, in place of what the folder says.

    Returns:
        A `QwenTokenizer`.

    Raises:
        ValueError: the files are not there, or are of another kind of tokenizer.
    """
    end = token_in(read_config(folder), "eos_token", "<|endoftext|>")
    settings = {"eos_token": end, **kwargs}
    return byte_pairs_from_folder(QwenTokenizer, folder, settings, {"type": FORM})


def qwen_to_folder(tokenizer, folder):
    """Writes `vocab.json`, `merges.txt`, `tokenizer.json` and its config.

    Args:
        tokenizer: A `QwenTokenizer`.
        folder: Path of the folder, which is made if it is not there.
    """
    byte_pairs_to_folder(tokenizer, folder, "Qwen2Tokenizer")
