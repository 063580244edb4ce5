"""BART's tokenizer in a Hugging Face folder."""

from keras_nlp_lite.tokenizers.bart_tokenizer import BartTokenizer
from keras_nlp_lite.tokenizers.byte_pair_folder import (
    byte_pairs_from_folder,
    byte_pairs_to_folder,
)


def bart_from_folder(folder, **kwargs):
    """The tokenizer of a folder with `tokenizer.json`, or `vocab.json` and `merges.txt`.

    Args:
        folder: Path of a folder.
        **kwargs: Arguments of the class, in place of what the folder says.

    Returns:
        A `BartTokenizer`.

    Raises:
        ValueError: the files are not there, or are of another kind of tokenizer.
    """
    return byte_pairs_from_folder(BartTokenizer, folder, kwargs)


def bart_to_folder(tokenizer, folder):
    """Writes `vocab.json`, `merges.txt`, `tokenizer.json` and its config.

    Args:
        tokenizer: A `BartTokenizer`.
        folder: Path of the folder, which is made if it is not there.
    """
    byte_pairs_to_folder(tokenizer, folder, "BartTokenizer")
