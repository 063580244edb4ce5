"""Writing Hugging Face's `tokenizer.json`, which `tokenizer_json.py` reads."""

import json

from keras_nlp_lite.atomic import replacing
from keras_nlp_lite.tokenizers.byte_pair_patterns import PATTERNS
from keras_nlp_lite.tokenizers.byte_pair_tokenizer import BytePairTokenizer
from keras_nlp_lite.tokenizers.composed_text import FORM, ComposedText
from keras_nlp_lite.tokenizers.special_tokens import SpecialTokens
from keras_nlp_lite.tokenizers.word_piece_tokenizer import WordPieceTokenizer


def write_tokenizer_json(tokenizer, path):
    """Writes a tokenizer as one file that Hugging Face's `tokenizers` loads.

    Both give a text the same ids, but for special tokens in it: there they are always
    found, here only with `special_tokens_in_strings`.

    Args:
        tokenizer: `WordPieceTokenizer` or `BytePairTokenizer`, or one of a family of
            models, such as `BertTokenizer`; then the file also says which special
            tokens stand around a text.
        path: The file, such as "tokenizer.json".

    Raises:
        ValueError: a tokenizer of another class, without vocabulary, or with settings
            that the file has no place for, such as split=False.

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "tokenizer.json"
    >>> write_tokenizer_json(WordPieceTokenizer(["[UNK]", "low", "##er"]), path)
    >>> import tokenizers
    >>> tokenizers.Tokenizer.from_file(str(path)).encode("lower").ids
    [1, 2]
    """
    if isinstance(tokenizer, WordPieceTokenizer):
        parts = _word_piece(tokenizer)
    elif isinstance(tokenizer, BytePairTokenizer):
        parts = _byte_pair(tokenizer)
    else:
        raise ValueError(
            "A `tokenizer.json` can be written for word pieces and byte pairs. "
            f"Received: a {type(tokenizer).__name__}."
        )
    file = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": _added_tokens(tokenizer),
        "post_processor": _post_processor(tokenizer),
        **parts,
    }
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8") as stream:
        json.dump(file, stream, ensure_ascii=False)


def _word_piece(tokenizer):
    vocabulary = tokenizer.get_vocabulary()
    if not tokenizer.split:
        raise ValueError(
            "A `tokenizer.json` of word pieces says how BERT cuts text to words. "
            "Received: a tokenizer with split=False, which cuts none."
        )
    return {
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": tokenizer.split_on_cjk,
            "strip_accents": tokenizer.strip_accents,
            "lowercase": tokenizer.lowercase,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "decoder": {
            "type": "WordPiece",
            "prefix": tokenizer.suffix_indicator,
            "cleanup": True,
        },
        "model": {
            "type": "WordPiece",
            "unk_token": tokenizer.oov_token,
            "continuing_subword_prefix": tokenizer.suffix_indicator,
            "max_input_chars_per_word": 100,
            "vocab": {token: id for id, token in enumerate(vocabulary)},
        },
    }


def _byte_pair(tokenizer):
    gpt2 = tokenizer.split_pattern == "gpt2"
    if tokenizer.add_prefix_space and not gpt2:
        raise ValueError(
            "A `tokenizer.json` has no place for add_prefix_space=True with another "
            f"split_pattern than 'gpt2'. Received: {tokenizer.split_pattern!r}."
        )
    spell = {
        "type": "ByteLevel",
        "add_prefix_space": tokenizer.add_prefix_space,
        "trim_offsets": True,
        "use_regex": gpt2,
    }
    split = {
        "type": "Split",
        "pattern": {"Regex": PATTERNS[tokenizer.split_pattern]},
        "behavior": "Isolated",
        "invert": False,
    }
    words = {"type": "Sequence", "pretokenizers": [split, spell]}
    composed = isinstance(tokenizer, ComposedText)
    return {
        "normalizer": {"type": FORM} if composed else None,
        "pre_tokenizer": spell if gpt2 else words,
        "decoder": spell,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": tokenizer.ignore_merges,
            "vocab": {
                token: tokenizer.token_to_id(token)
                for token in tokenizer.get_vocabulary()
            },
            "merges": tokenizer.get_merges(),
        },
    }


def _added_tokens(tokenizer):
    """Tokens that stay whole in a text, in the order of their ids."""
    known = set(tokenizer.get_vocabulary())
    special = [token for token in tokenizer.special_tokens if token in known]
    whole = getattr(tokenizer, "unsplittable_tokens", [])
    taking_space = getattr(tokenizer, "taking_space", ())
    return [
        {
            "id": tokenizer.token_to_id(token),
            "content": token,
            "single_word": False,
            "lstrip": token in taking_space,
            "rstrip": False,
            "normalized": False,
            "special": token in special,
        }
        for token in sorted({*special, *whole}, key=tokenizer.token_to_id)
    ]


def _post_processor(tokenizer):
    """What stands around a text, and between two, in a family of models."""
    if not isinstance(tokenizer, SpecialTokens):
        return None
    start = [tokenizer.start_token] if tokenizer.adds_start else []
    end = [tokenizer.end_token] if tokenizer.adds_end else []
    if not (start or end):
        return None
    second = int(tokenizer.has_segments)

    def tokens(names, segment=0):
        return [{"SpecialToken": {"id": name, "type_id": segment}} for name in names]

    def text(name, segment=0):
        return {"Sequence": {"id": name, "type_id": segment}}

    return {
        "type": "TemplateProcessing",
        "single": [*tokens(start), text("A"), *tokens(end)],
        "pair": [
            *tokens(start),
            text("A"),
            # What stands between two texts: ends of the first, or else a start.
            *tokens(end * tokenizer.num_separators or start),
            text("B", second),
            *tokens(end, second),
        ],
        "special_tokens": {
            name: {
                "id": name,
                "ids": [tokenizer.token_to_id(name)],
                "tokens": [name],
            }
            for name in (*start, *end)
        },
    }
