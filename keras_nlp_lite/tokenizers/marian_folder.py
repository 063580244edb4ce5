"""The tokenizer of an opus-mt folder."""

import os

from keras_nlp_lite.tokenizers.hugging_face_files import read_config, write_config
from keras_nlp_lite.tokenizers.marian_tokenizer import MarianTokenizer

_FILES = ("source.spm", "target.spm", "vocab.json")


def marian_from_folder(folder, **kwargs):
    """The tokenizer of a folder with `source.spm`, `target.spm` and `vocab.json`.

    Args:
        folder: Path of a folder.
        **kwargs: Arguments of the class, in place of what the folder says.

    Returns:
        A `MarianTokenizer`.

    Raises:
        ValueError: a file is not there, or the two languages have a vocabulary each.

    Example:

    >>> import tempfile
    >>> from keras_nlp_lite.tokenizers import compute_sentence_piece_proto
    >>> proto = compute_sentence_piece_proto(["low lower"] * 9, 12)
    >>> pieces = ["</s>", "<unk>", "<pad>", "▁low", "er"]
    >>> folder = tempfile.mkdtemp()
    >>> marian_to_folder(MarianTokenizer(proto, vocabulary=pieces), folder)
    >>> print(*sorted(os.listdir(folder)))
    source.spm target.spm tokenizer_config.json vocab.json
    >>> marian_from_folder(folder).detokenize([3, 3, 4]).numpy()
    b'low lower'
    """
    if read_config(folder).get("separate_vocabs"):
        raise ValueError(
            "A Marian folder must have one vocabulary for both languages. Received: "
            f"{os.fspath(folder)!r}, whose tokenizer_config.json has "
            "separate_vocabs=true."
        )
    paths = [os.path.join(folder, name) for name in _FILES]
    missing = [n for n, path in zip(_FILES, paths) if not os.path.exists(path)]
    if missing:
        raise ValueError(
            f"A Marian folder must hold {', '.join(_FILES)}. Received: "
            f"{os.fspath(folder)!r}, without {', '.join(missing)}."
        )
    return MarianTokenizer(*paths, **kwargs)


def marian_to_folder(tokenizer, folder):
    """Writes `source.spm`, `target.spm`, `vocab.json` and a config.

    Args:
        tokenizer: A `MarianTokenizer`.
        folder: Path of the folder, which is made if it is not there.
    """
    os.makedirs(folder, exist_ok=True)
    tokenizer.save_assets(folder)
    write_config(
        folder,
        {
            "tokenizer_class": "MarianTokenizer",
            "separate_vocabs": False,
            "eos_token": tokenizer.end_token,
            "pad_token": tokenizer.pad_token,
            "unk_token": tokenizer.unk_token,
        },
    )
