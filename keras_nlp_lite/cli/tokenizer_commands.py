"""`keras-nlp-lite tokenizer`: train a vocabulary, and see what it makes of a text."""

import enum
from pathlib import Path
from typing import Annotated

import typer

from keras_nlp_lite.cli.manners import plainly, quiet_start

app = typer.Typer(
    no_args_is_help=True,
    help="Train a tokenizer, and see what it makes of a text.",
    epilog="Start with: keras-nlp-lite tokenizer train --help",
)

Folder = Annotated[
    Path,
    typer.Argument(
        metavar="DIR",
        help="Folder with tokenizer.json, vocab.txt, vocab.json and merges.txt, or "
        "vocabulary.spm.",
        show_default=False,
    ),
]
Texts = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="TEXT", help="The texts. By default the lines of standard input."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


class Kind(enum.StrEnum):
    """What can be trained."""

    bpe = "bpe"
    wordpiece = "wordpiece"
    unigram = "unigram"


@app.command(
    epilog="Example: keras-nlp-lite tokenizer train --kind bpe --vocabulary-size 20000 "
    "--output tokenizers/bpe corpus.txt.gz"
)
@plainly
def train(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            help="Text in UTF-8, a text a line; .gz too.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for the tokenizer.")
    ] = Path("tokenizer"),
    kind: Annotated[
        Kind,
        typer.Option(
            help="bpe: byte pairs, as GPT-2 and RoBERTa have them, no character is "
            "unknown; wordpiece: as BERT; unigram: SentencePiece, as T5."
        ),
    ] = Kind.bpe,
    vocabulary_size: Annotated[
        int, typer.Option(min=1, help="The most tokens to learn.")
    ] = 20_000,
    lowercase: Annotated[
        bool,
        typer.Option(
            "--lowercase", help="Lowercase, for wordpiece and unigram; not for bpe."
        ),
    ] = False,
    strip_accents: Annotated[
        bool, typer.Option("--strip-accents", help="Remove accents, for wordpiece.")
    ] = False,
    special_tokens: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="Tokens with the first ids, for bpe and wordpiece. By default those of "
            "RoBERTa and of BERT.",
        ),
    ] = None,
    max_megabytes: Annotated[
        int,
        typer.Option(min=1, help="Of more text than this an even sample is taken."),
    ] = 256,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the tokenizer in DIR.")
    ] = False,
):
    """Learn a vocabulary from texts, and write it to a folder."""
    with quiet_start():
        from keras_nlp_lite.cli.tokenizing import train
    train(
        files,
        output,
        kind.value,
        vocabulary_size,
        lowercase=lowercase,
        strip_accents=strip_accents,
        special_tokens=special_tokens.split(",") if special_tokens else None,
        max_bytes=max_megabytes * 2**20,
        overwrite=overwrite,
    )


@app.command(
    epilog='Example: keras-nlp-lite tokenizer encode tokenizers/bpe "A joy." "Not good."'
)
@plainly
def encode(folder: Folder, texts: Texts = None, as_json: AsJson = False):
    """Print the ids of texts: a line each. Special tokens in them are one id."""
    with quiet_start():
        from keras_nlp_lite.cli.tokenizing import encode
    encode(folder, texts, as_json=as_json)


@app.command(
    epilog="Example: keras-nlp-lite tokenizer decode tokenizers/bpe 36 9213 13"
)
@plainly
def decode(
    folder: Folder,
    ids: Annotated[
        list[int],
        typer.Argument(metavar="ID", help="Ids of tokens.", show_default=False),
    ],
):
    """Print the text that ids stand for."""
    with quiet_start():
        from keras_nlp_lite.cli.tokenizing import decode
    decode(folder, ids)


@app.command(
    epilog='Example: keras-nlp-lite tokenizer inspect tokenizers/bpe "What a joy."'
)
@plainly
def inspect(folder: Folder, texts: Texts = None, as_json: AsJson = False):
    """Show each token of texts: its id, where it stands, and what words cost."""
    with quiet_start():
        from keras_nlp_lite.cli.tokenizing import inspect
    inspect(folder, texts, as_json=as_json)
