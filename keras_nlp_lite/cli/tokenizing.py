"""What `keras-nlp-lite tokenizer` does."""

import json
import os
import time

import typer

from keras_nlp_lite.atomic import replacing
from keras_nlp_lite.cli import report
from keras_nlp_lite.tokenizers import (
    BertTokenizer,
    BytePairTokenizer,
    RobertaTokenizer,
    WordPieceTokenizer,
    compute_byte_pair_vocabulary,
    compute_sentence_piece_proto,
    compute_word_piece_vocabulary,
    load_tokenizer,
    save_tokenizer,
)
from keras_nlp_lite.tokenizers.sentence_piece_tokenizer import SentencePieceTokenizer

# What a folder may hold that is replaced: a tokenizer and nothing else.
_FILES = {"tokenizer.json", "vocab.txt", "vocab.json", "merges.txt", "vocabulary.spm"}


def train(
    files,
    folder,
    kind,
    vocabulary_size,
    *,
    lowercase,
    strip_accents,
    special_tokens,
    max_bytes,
    overwrite,
):
    """What `keras-nlp-lite tokenizer train` does.

    Args:
        files: list of paths, a text a line.
        folder: Where the tokenizer goes: a new folder, an empty one, or with `overwrite`
            that of another tokenizer.
        kind: "bpe", "wordpiece" or "unigram".
        vocabulary_size, lowercase, strip_accents, max_bytes: As for the function of
            that kind; False where it has no such argument.
        special_tokens: list of str; None for those of a family of models.
        overwrite: Whether to replace a tokenizer.

    Raises:
        ValueError: the corpus or the settings do not do, the folder is not free, or a
            library is missing.
    """
    _refuse_unless_free(folder, overwrite)
    if kind != "wordpiece" and strip_accents:
        raise ValueError(f"--strip-accents is for wordpiece. Received: --kind {kind}.")
    if kind == "bpe" and lowercase:
        raise ValueError(
            "--lowercase is for wordpiece and unigram. Received: --kind bpe."
        )
    if kind == "unigram" and special_tokens:
        raise ValueError(
            "--special-tokens is for bpe and wordpiece. Received: --kind unigram."
        )
    start = time.perf_counter()
    settings = {"max_bytes": max_bytes}
    try:
        if kind == "bpe":
            tokenizer = _byte_pairs(files, vocabulary_size, special_tokens, settings)
        elif kind == "wordpiece":
            settings.update(lowercase=lowercase, strip_accents=strip_accents)
            tokenizer = _word_pieces(files, vocabulary_size, special_tokens, settings)
        else:
            settings.update(lowercase=lowercase)
            tokenizer = SentencePieceTokenizer(
                compute_sentence_piece_proto(files, vocabulary_size, **settings)
            )
    except ImportError as error:
        raise ValueError(str(error)) from error
    with replacing(folder) as temporary:
        save_tokenizer(tokenizer, temporary)
    facts = {
        "kind": kind,
        "tokens": tokenizer.vocabulary_size(),
        "seconds": time.perf_counter() - start,
        "files": sorted(os.listdir(folder)),
    }
    report.print_facts(str(folder), facts)
    command = ["keras-nlp-lite", "tokenizer"]
    report.print_commands(
        {"Look at it": [*command, "inspect", str(folder), "What a joy."]}
    )


def _refuse_unless_free(folder, overwrite):
    held = os.listdir(folder) if os.path.isdir(folder) else []
    if not held and not os.path.isfile(folder):
        return
    others = ", ".join(sorted(set(held) - _FILES)) if held else "a file"
    if others:
        raise ValueError(
            "--output must be a new folder, or that of another tokenizer. Received: "
            f"{str(folder)!r}, which holds {others}."
        )
    if not overwrite:
        raise ValueError(
            f"--output must be a new folder. Received: {str(folder)!r}, which holds a "
            "tokenizer. Try --overwrite to replace it."
        )


def _byte_pairs(files, vocabulary_size, special_tokens, settings):
    cls = BytePairTokenizer if special_tokens else RobertaTokenizer
    special_tokens = special_tokens or ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    vocabulary, merges = compute_byte_pair_vocabulary(
        files, vocabulary_size, special_tokens=special_tokens, **settings
    )
    return cls(vocabulary, merges, special_tokens=special_tokens)


def _word_pieces(files, vocabulary_size, special_tokens, settings):
    cls = WordPieceTokenizer if special_tokens else BertTokenizer
    special_tokens = special_tokens or BertTokenizer().special_token_names
    if "[UNK]" not in special_tokens:
        raise ValueError(
            "--special-tokens must hold [UNK], for what has no pieces. Received: "
            f"{','.join(special_tokens)}."
        )
    vocabulary = compute_word_piece_vocabulary(
        files, vocabulary_size, reserved_tokens=special_tokens, **settings
    )
    del settings["max_bytes"]
    return cls(vocabulary, special_tokens=special_tokens, **settings)


def encode(folder, texts, *, as_json):
    """What `keras-nlp-lite tokenizer encode` does: a line for each text, in order.

    Args:
        folder: Of the tokenizer.
        texts: list of str; if there are none, they are the lines of standard input.
        as_json: Whether each line is a JSON object.
    """
    tokenizer = _load(folder)
    for data, text in _given(texts):
        ids = tokenizer(data).numpy().tolist()
        if as_json:
            tokens = _tokens(tokenizer, ids)
            line = {"text": text, "ids": ids, "tokens": tokens}
            typer.echo(json.dumps(line, ensure_ascii=False))
        else:
            typer.echo(" ".join(map(str, ids)))


def decode(folder, ids):
    """What `keras-nlp-lite tokenizer decode` does.

    Args:
        folder: Of the tokenizer.
        ids: list of int.

    Raises:
        ValueError: the vocabulary has no such id.
    """
    tokenizer = _load(folder)
    for id in ids:
        tokenizer.id_to_token(id)  # refuses in a sentence what is none
    typer.echo(tokenizer.detokenize(ids).numpy().decode("utf-8", "replace"))


def inspect(folder, texts, *, as_json):
    """What `keras-nlp-lite tokenizer inspect` does: a table for each text.

    Args:
        folder: Of the tokenizer.
        texts: list of str; if there are none, they are the lines of standard input.
        as_json: Whether to print a JSON object for each, on a line, in place of a table.
    """
    tokenizer = _load(folder)
    for data, text in _given(texts):
        ids, starts, ends = (
            x.numpy().tolist() for x in tokenizer.tokenize_with_offsets(data)
        )
        words = len(text.split())
        pieces = [
            data[start:end].decode("utf-8", "replace")
            for start, end in zip(starts, ends)
        ]
        tokens = _tokens(tokenizer, ids)
        if as_json:
            line = {
                "text": text,
                "words": words,
                "tokens": [
                    {
                        "token": token,
                        "id": id,
                        "start": start,
                        "end": end,
                        "text": piece,
                    }
                    for token, id, start, end, piece in zip(
                        tokens, ids, starts, ends, pieces
                    )
                ],
            }
            typer.echo(json.dumps(line, ensure_ascii=False))
            continue
        shown = [json.dumps(piece, ensure_ascii=False) for piece in pieces]
        rows = zip(tokens, map(str, ids), map(str, starts), map(str, ends), shown)
        report.print_table(text, ["token", "id", "from byte", "to byte", "text"], rows)
        cost = f": {len(ids) / words:.2f} tokens a word" if words else ""
        typer.echo(f"{len(ids)} tokens for {words} words{cost}.")


def _load(folder):
    return load_tokenizer(folder, special_tokens_in_strings=True)


def _tokens(tokenizer, ids):
    """list of str; of a byte that the vocabulary lacks, whose id is -1, none."""
    return [tokenizer.id_to_token(id) if id >= 0 else "" for id in ids]


def _given(texts):
    """Iterator of bytes, as they came, and of the str that shows them."""
    if texts:
        lines = map(os.fsencode, texts)
        return ((line, line.decode("utf-8", "replace")) for line in lines)
    stream = typer.get_binary_stream("stdin")
    if stream.isatty():
        raise ValueError(
            "There must be a text. Received: none. Try it as an argument, in quotes, or "
            "a pipe."
        )
    lines = (line.rstrip(b"\r\n") for line in stream)
    return ((line, line.decode("utf-8", "replace")) for line in lines)
