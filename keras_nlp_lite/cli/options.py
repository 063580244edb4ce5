"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

RunFolder = Annotated[
    Path, typer.Option("--run", metavar="DIR", help="Folder of the run.")
]
Data = Annotated[
    str,
    typer.Option(
        "--data",
        metavar="PATH",
        help="Labelled texts: a folder of class folders, maybe inside train/ and test/; "
        "or a .csv, .tsv or .jsonl file.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Texts in a batch.")]
Classes = Annotated[
    str | None,
    typer.Option(
        metavar="A,B,...",
        help="The classes, in order; other folders are left out, other labels "
        "refused. By default all there are.",
    ),
]
Text = Annotated[str, typer.Option(metavar="COL", help="Column or field of the text.")]
Label = Annotated[
    str, typer.Option(metavar="COL", help="Column or field of the label.")
]
Encoding = Annotated[str, typer.Option(help="How the files are encoded.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace what an earlier run left in DIR.")
]
