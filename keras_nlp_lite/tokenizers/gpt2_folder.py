"""GPT-2's tokenizer in a Hugging Face folder."""

from keras_nlp_lite.tokenizers.byte_pair_folder import (
    byte_pairs_from_folder,
    byte_pairs_to_folder,
)
from keras_nlp_lite.tokenizers.gpt2_tokenizer import GPT2Tokenizer


def gpt2_from_folder(folder, **kwargs):
    """The tokenizer of a folder with `tokenizer.json`, or `vocab.json` and `merges.txt`.

    Args:
        folder: Path of a folder.
        **kwargs: Arguments of the class, in place of what the folder says.

    Returns:
        A `GPT2Tokenizer`.

    Raises:
        ValueError: the files are not there, or are of another kind of tokenizer.

    Example:

    >>> import tempfile
    >>> vocabulary = {"l": 0, "o": 1, "lo": 2, "<|endoftext|>": 3}
    >>> folder = tempfile.mkdtemp()
    >>> gpt2_to_folder(GPT2Tokenizer(vocabulary, ["l o"]), folder)
    >>> print(gpt2_from_folder(folder)("lol").numpy())
    [2 0]
    """
    return byte_pairs_from_folder(GPT2Tokenizer, folder, kwargs)


def gpt2_to_folder(tokenizer, folder):
    """Writes `vocab.json`, `merges.txt`, `tokenizer.json` and its config.

    Args:
        tokenizer: A `GPT2Tokenizer`.
        folder: Path of the folder, which is made if it is not there.
    """
    byte_pairs_to_folder(tokenizer, folder, "GPT2Tokenizer")
