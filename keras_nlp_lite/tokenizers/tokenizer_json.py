"""Reading Hugging Face's `tokenizer.json`, as far as the tokenizers here do the same.

A file that asks for anything else is refused: its model would get ids that it was not
trained on.
"""

import json
import os

import tensorflow as tf

from keras_nlp_lite.tokenizers.byte_pair_patterns import PATTERNS


def byte_pair_from_tokenizer_json(path, normalizer=None):
    """Reads what a `BytePairTokenizer` with its default settings is made of.

    Args:
        path: A `tokenizer.json` whose model is a byte-level "BPE" and that cuts words as
            GPT-2's and RoBERTa's do.
        normalizer: What the caller does to texts before, such as {"type": "NFC"}: the
            file must ask for the same.

    Returns:
        A tuple of a dict from token to id, with the added tokens; a list of str, the
        merges, "left right"; and a list of str, the added tokens, such as "<mask>", in
        the order of their ids. These stay whole where they stand in a text; that some
        take the space before them, as RoBERTa's "<mask>" does, is not told.

    Raises:
        ValueError: no such file, no JSON of that kind, another model, or one with another
            normalizer, another way to split, or other options.

    Example:

    >>> import tempfile
    >>> model = {"type": "BPE", "vocab": {"l": 0, "o": 1, "lo": 2}, "merges": ["l o"]}
    >>> settings = {
    ...     "model": model,
    ...     "pre_tokenizer": {"type": "ByteLevel"},
    ...     "added_tokens": [{"content": "<s>", "id": 3}],
    ... }
    >>> with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
    ...     json.dump(settings, file)
    ...     file.flush()
    ...     byte_pair_from_tokenizer_json(file.name)
    ({'l': 0, 'o': 1, 'lo': 2, '<s>': 3}, ['l o'], ['<s>'])
    """
    said = byte_pair_arguments(path, normalizer)
    _check(said["split_pattern"], "split_pattern", "gpt2")
    _check(said["ignore_merges"], "ignore_merges", False)
    return said["vocabulary"], said["merges"], said["added_tokens"]


def byte_pair_arguments(path, normalizer=None):
    """Reads what a `BytePairTokenizer` is made of, and how it is set.

    Args:
        path: A `tokenizer.json` whose model is a byte-level "BPE", such as those of
            GPT-2, Llama 3 and Qwen 2.
        normalizer: As in `byte_pair_from_tokenizer_json`.

    Returns:
        dict of arguments of `BytePairTokenizer`: "vocabulary", with the added tokens,
        "merges", "add_prefix_space", "split_pattern", "ignore_merges", and of the added
        tokens the "special_tokens" and, as "unsplittable_tokens", the others; beside
        them "added_tokens", a list of str of both, in the order of their ids.

    Raises:
        ValueError: as in `byte_pair_from_tokenizer_json`.
    """
    settings = _read(path, "BPE")
    model = settings["model"]
    _check(settings.get("normalizer"), "normalizer", normalizer)
    split_pattern, prefix_space = _splitting(settings.get("pre_tokenizer") or {})
    for option in ("continuing_subword_prefix", "end_of_word_suffix", "dropout"):
        _check(model.get(option) or None, option, None)
    _check(model.get("byte_fallback") or False, "byte_fallback", False)
    added = _added_tokens(settings)
    special = [
        token["content"]
        for token in settings.get("added_tokens") or []
        if token.get("special")
    ]
    return {
        "vocabulary": {**model["vocab"], **added},
        "merges": [
            merge if isinstance(merge, str) else " ".join(merge)
            for merge in model.get("merges", [])
        ],
        "add_prefix_space": prefix_space,
        "split_pattern": split_pattern,
        "ignore_merges": bool(model.get("ignore_merges")),
        "special_tokens": special,
        "unsplittable_tokens": [token for token in added if token not in special],
        "added_tokens": list(added),
    }


def _splitting(said):
    """(str, bool): which of `PATTERNS` cuts the words, and whether a space comes first.

    Args:
        said: dict, the file's "pre_tokenizer".
    """
    if said.get("type") != "Sequence":
        _check(said.get("type"), "pre_tokenizer type", "ByteLevel")
        _check(said.get("use_regex", True), "pre_tokenizer use_regex", True)
        return "gpt2", bool(said.get("add_prefix_space", True))
    parts = said.get("pretokenizers") or []
    types = [part.get("type") for part in parts]
    _check(types, "pre_tokenizer types", ["Split", "ByteLevel"])
    split, spell = parts
    regex = (split.get("pattern") or {}).get("Regex")
    names = [name for name, pattern in PATTERNS.items() if pattern == regex]
    if not names:
        raise ValueError(
            "The `tokenizer.json` must cut words by the regular expression of one of "
            f"{', '.join(PATTERNS)}. Received: {regex!r}."
        )
    _check(split.get("behavior"), "pre_tokenizer behavior", "Isolated")
    _check(split.get("invert", False), "pre_tokenizer invert", False)
    _check(spell.get("use_regex", True), "pre_tokenizer use_regex", False)
    _check(spell.get("add_prefix_space", True), "pre_tokenizer add_prefix_space", False)
    return names[0], False


def word_piece_from_tokenizer_json(path):
    """Reads what a `WordPieceTokenizer` is made of.

    Args:
        path: A `tokenizer.json` whose model is a "WordPiece", such as BERT's.

    Returns:
        A tuple of a list of str, the tokens in the order of their ids, with the added
        tokens; a bool, whether text is lowercased; a bool, whether accents are
        stripped; and a list of str, the added tokens, such as "[CLS]", in the order of
        their ids.

    Raises:
        ValueError: no such file, no JSON of that kind, another model, one that is not
            normalized and split as BERT does, or ids with gaps.

    Example:

    >>> import tempfile
    >>> settings = {
    ...     "model": {"type": "WordPiece", "vocab": {"low": 1, "[UNK]": 0}},
    ...     "normalizer": {"type": "BertNormalizer", "lowercase": True},
    ...     "pre_tokenizer": {"type": "BertPreTokenizer"},
    ...     "added_tokens": [{"content": "[UNK]", "id": 0}],
    ... }
    >>> with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
    ...     json.dump(settings, file)
    ...     file.flush()
    ...     word_piece_from_tokenizer_json(file.name)
    (['[UNK]', 'low'], True, True, ['[UNK]'])
    """
    said = word_piece_arguments(path)
    _check(said["suffix_indicator"], "continuing_subword_prefix", "##")
    _check(said["split_on_cjk"], "handle_chinese_chars", True)
    names = ("vocabulary", "lowercase", "strip_accents", "special_tokens")
    return tuple(said[name] for name in names)


def word_piece_arguments(path):
    """Reads what a `WordPieceTokenizer` is made of, and how it is set.

    Args:
        path: A `tokenizer.json` whose model is a "WordPiece", such as BERT's.

    Returns:
        dict of arguments of `WordPieceTokenizer`: "vocabulary", with the added tokens,
        which also are "special_tokens", "lowercase", "strip_accents", "split_on_cjk",
        "suffix_indicator" and "oov_token".

    Raises:
        ValueError: as in `word_piece_from_tokenizer_json`.
    """
    settings = _read(path, "WordPiece")
    model = settings["model"]
    normalizer = settings.get("normalizer") or {}
    _check(normalizer.get("type"), "normalizer type", "BertNormalizer")
    _check(normalizer.get("clean_text", True), "clean_text", True)
    splitting = settings.get("pre_tokenizer") or {}
    _check(splitting.get("type"), "pre_tokenizer type", "BertPreTokenizer")
    lowercase = bool(normalizer.get("lowercase", True))
    strip_accents = normalizer.get("strip_accents")
    if strip_accents is None:
        strip_accents = lowercase  # as BERT does unless told otherwise
    added = _added_tokens(settings)
    ids = {**model["vocab"], **added}
    tokens = sorted(ids, key=ids.get)
    gap = next((i for i, token in enumerate(tokens) if ids[token] != i), None)
    if gap is not None:
        raise ValueError(
            "The ids of a `tokenizer.json` of word pieces must be 0, 1, 2, ... "
            f"Received: {tokens[gap]!r} with id {ids[tokens[gap]]} in place {gap}."
        )
    return {
        "vocabulary": tokens,
        "lowercase": lowercase,
        "strip_accents": bool(strip_accents),
        "split_on_cjk": bool(normalizer.get("handle_chinese_chars", True)),
        "suffix_indicator": model.get("continuing_subword_prefix", "##"),
        "oov_token": model.get("unk_token", "[UNK]"),
        "special_tokens": list(added),
    }


def _read(path, model_type):
    """The file as a dict, with a model of that type and its vocabulary in it."""
    path = os.fspath(path)
    if not tf.io.gfile.exists(path):
        raise ValueError(
            f"`path` must be a `tokenizer.json`. Received: {path!r}, which does not "
            "exist."
        )
    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            settings = json.loads(file.read())
    except ValueError as error:
        raise ValueError(
            f"`path` must be a `tokenizer.json`. Received: {path!r}, where the JSON "
            f"ends in an error: {error}."
        ) from error
    model = settings.get("model") if isinstance(settings, dict) else None
    if not isinstance(model, dict):
        raise ValueError(
            f"A `tokenizer.json` must have a model. Received: {path!r}, which has none."
        )
    # Files of long ago leave the type out: of the two, only BPE has merges.
    kind = model.get("type") or ("BPE" if "merges" in model else "WordPiece")
    _check(kind, "model type", model_type)
    if not isinstance(model.get("vocab"), dict):
        raise ValueError(
            "The model of a `tokenizer.json` must have a vocabulary, from token to id. "
            f"Received: vocab={str(model.get('vocab'))[:80]}."
        )
    return settings


def _check(value, name, wanted):
    if value != wanted:
        raise ValueError(
            f"The `tokenizer.json` must have {name} {wanted!r}: this package does "
            f"nothing else. Received: {value!r}."
        )


def _added_tokens(settings):
    """dict: the added tokens and their ids, in the order of the ids."""
    added = {
        token["content"]: token["id"] for token in settings.get("added_tokens") or []
    }
    return dict(sorted(added.items(), key=lambda item: item[1]))
