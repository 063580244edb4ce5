"""A folder with the files of one tokenizer, as they are passed around."""

import os
import tempfile

from keras_nlp_lite.tokenizers.bert_tokenizer import BertTokenizer
from keras_nlp_lite.tokenizers.byte_pair_tokenizer import BytePairTokenizer
from keras_nlp_lite.tokenizers.composed_text import FORM
from keras_nlp_lite.tokenizers.gpt2_tokenizer import GPT2Tokenizer
from keras_nlp_lite.tokenizers.hugging_face_files import read_json
from keras_nlp_lite.tokenizers.llama3_tokenizer import Llama3Tokenizer
from keras_nlp_lite.tokenizers.marian_folder import marian_from_folder
from keras_nlp_lite.tokenizers.qwen_tokenizer import QwenTokenizer
from keras_nlp_lite.tokenizers.roberta_tokenizer import (
    ModernBertTokenizer,
    RobertaTokenizer,
)
from keras_nlp_lite.tokenizers.sentence_piece_tokenizer import SentencePieceTokenizer
from keras_nlp_lite.tokenizers.tokenizer_json import (
    byte_pair_arguments,
    word_piece_arguments,
)
from keras_nlp_lite.tokenizers.tokenizer_json_writing import write_tokenizer_json
from keras_nlp_lite.tokenizers.vocabulary import Vocabulary
from keras_nlp_lite.tokenizers.word_piece_tokenizer import WordPieceTokenizer

# What the files are called: here, by Hugging Face, by SentencePiece.
_JSON = "tokenizer.json"
_SENTENCE_PIECE = (
    "vocabulary.spm",
    "spiece.model",
    "tokenizer.model",
    "sentencepiece.bpe.model",
)
_WORD_PIECE = ("vocab.txt", "vocabulary.txt")
_BYTE_PAIR = ("vocab.json", "vocabulary.json")
# By other programs, what `save_assets` calls otherwise.
_KNOWN_AS = {"vocabulary.txt": "vocab.txt", "vocabulary.json": "vocab.json"}


def load_tokenizer(path, **kwargs):
    """The tokenizer whose files lie in a folder, whichever it is.

    Args:
        path: A folder with one of

            - "source.spm", "target.spm" and "vocab.json": Marian's;
            - "vocabulary.spm" (or "spiece.model", "tokenizer.model"): SentencePiece;
            - "tokenizer.json" of Hugging Face: word pieces or byte pairs;
            - "vocab.txt" (or "vocabulary.txt"): word pieces, lowercased if a
              "tokenizer_config.json" says so;
            - "vocab.json" (or "vocabulary.json") and "merges.txt": byte pairs.

        **kwargs: Arguments of the tokenizer, in place of what the files say, such as
            `special_tokens_in_strings`, or `sequence_length`.

    Returns:
        A `SentencePieceTokenizer`, `WordPieceTokenizer` or `BytePairTokenizer`; where
        the vocabulary has the special tokens of a family of models, that family's,
        such as a `BertTokenizer`. (RoBERTa's and BART's are the same: it is a
        `RobertaTokenizer`.)

    Raises:
        ValueError: no such folder, none of the files in it, or one that asks for
            something else than these tokenizers do.

    Example:

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> save_tokenizer(WordPieceTokenizer(["[UNK]", "low", "##er"]), folder)
    >>> print(*sorted(os.listdir(folder)))
    tokenizer.json vocab.txt
    >>> load_tokenizer(folder)("lower low").numpy().tolist()
    [1, 2, 1]
    """
    folder = os.fspath(path)
    if not os.path.isdir(folder):
        raise ValueError(
            f"`path` must be a folder with a tokenizer. Received: {folder!r}, "
            f"{'which is a file' if os.path.exists(folder) else 'which does not exist'}."
        )
    if _first(folder, ("source.spm",)):
        return marian_from_folder(folder, **kwargs)
    if found := _first(folder, _SENTENCE_PIECE):
        return SentencePieceTokenizer(found, **kwargs)
    if found := _first(folder, (_JSON,)):
        return _of_tokenizer_json(found, kwargs)
    if found := _first(folder, _WORD_PIECE):
        config = os.path.join(folder, "tokenizer_config.json")
        said = read_json(config) if os.path.exists(config) else {}
        lowercase = said.get("do_lower_case", False)
        strip_accents = said.get("strip_accents")
        if strip_accents is None:
            strip_accents = lowercase  # as BERT does unless told otherwise
        settings = {"lowercase": lowercase, "strip_accents": strip_accents}
        return _word_piece(Vocabulary(found).tokens, {**settings, **kwargs})
    merges = os.path.join(folder, "merges.txt")
    if (found := _first(folder, _BYTE_PAIR)) and os.path.exists(merges):
        return _byte_pair(read_json(found), merges, kwargs)
    raise ValueError(
        "A folder with a tokenizer must hold tokenizer.json, vocab.txt, vocab.json with "
        f"merges.txt, or vocabulary.spm. Received: {folder!r}, which holds "
        f"{', '.join(sorted(os.listdir(folder))[:8]) or 'nothing'}."
    )


def save_tokenizer(tokenizer, path):
    """Writes a tokenizer's files, for `load_tokenizer` and for other programs.

    Args:
        tokenizer: Word pieces give "vocab.txt", byte pairs "vocab.json" and
            "merges.txt", and both "tokenizer.json", in which alone their settings are;
            SentencePiece gives "vocabulary.spm", and a `MarianTokenizer` "source.spm",
            "target.spm" and "vocab.json". What Hugging Face has no place for is
            not written: `sequence_length`, `dtype`, `special_tokens_in_strings` (its
            library always looks for special tokens), and SentencePiece's settings.
            `load_tokenizer` takes them as arguments.
        path: The folder, which is made if it is not there. Files of the same names in
            it are replaced.

    Raises:
        ValueError: a tokenizer of another kind, or without vocabulary.
    """
    folder = os.fspath(path)
    if not hasattr(tokenizer, "save_assets"):
        raise ValueError(
            "A tokenizer's files are its vocabulary's. Received: a "
            f"{type(tokenizer).__name__}, which has none."
        )
    os.makedirs(folder, exist_ok=True)
    if isinstance(tokenizer, (WordPieceTokenizer, BytePairTokenizer)):
        write_tokenizer_json(tokenizer, os.path.join(folder, _JSON))
    with tempfile.TemporaryDirectory(prefix=".", dir=folder) as scratch:
        tokenizer.save_assets(scratch)
        for name in os.listdir(scratch):
            known_as = _KNOWN_AS.get(name, name)
            os.replace(os.path.join(scratch, name), os.path.join(folder, known_as))


def _word_piece(vocabulary, settings):
    cls = WordPieceTokenizer
    if {*BertTokenizer().special_token_names} <= {*vocabulary}:
        cls = BertTokenizer
    return cls(vocabulary, **settings)


# By the pattern that cuts words, and whether the text is composed before.
_BYTE_PAIR_FAMILIES = {
    ("gpt2", False): (RobertaTokenizer, GPT2Tokenizer),
    ("gpt2", True): (ModernBertTokenizer,),
    ("llama3", False): (Llama3Tokenizer,),
    ("qwen2", True): (QwenTokenizer,),
}


def _byte_pair(vocabulary, merges, settings, composed=False):
    words = settings.get("split_pattern", "gpt2")
    for cls in _BYTE_PAIR_FAMILIES.get((words, composed), ()):
        if all(token in vocabulary for token in cls().required_token_names):
            return cls(vocabulary, merges, **settings)
    if composed:
        raise ValueError(
            f"A `tokenizer.json` with normalizer {FORM!r} must have the special tokens "
            "of ModernBERT or Qwen 2. Received: one without."
        )
    return BytePairTokenizer(vocabulary, merges, **settings)


def _of_tokenizer_json(path, settings):
    said = read_json(path)
    model = said.get("model")
    kind = model.get("type") if isinstance(model, dict) else None
    if kind == "WordPiece":
        said = word_piece_arguments(path)
        return _word_piece(said.pop("vocabulary"), {**said, **settings})
    normalizer = said.get("normalizer")
    composed = normalizer == {"type": FORM}
    said = byte_pair_arguments(path, normalizer if composed else None)
    del said["added_tokens"]
    vocabulary, merges = said.pop("vocabulary"), said.pop("merges")
    return _byte_pair(vocabulary, merges, {**said, **settings}, composed)


def _first(folder, names):
    """The path of the first file of these that is there, or None."""
    paths = (os.path.join(folder, name) for name in names)
    return next(filter(os.path.isfile, paths), None)
