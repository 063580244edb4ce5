"""`keras-nlp-lite`: from labelled texts to a trained, measured and served model.

TensorFlow takes seconds to import, so only the commands that need it do so: `--help`
and `--version` answer at once.
"""

from pathlib import Path
from typing import Annotated

import typer

from keras_nlp_lite.cli import tokenizer_commands
from keras_nlp_lite.cli.manners import plainly, quiet_start
from keras_nlp_lite.cli.options import (
    AsJson,
    BatchSize,
    Classes,
    Data,
    Encoding,
    Label,
    Overwrite,
    RunFolder,
    Text,
)
from keras_nlp_lite.cli.tune_command import tune
from keras_nlp_lite.version import __version__

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _say_version(wanted: bool):
    if wanted:
        typer.echo(f"keras-nlp-lite {__version__}")
        raise typer.Exit


@app.callback(epilog="Start with: keras-nlp-lite demo")
def main(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_say_version,
            is_eager=True,
            help="Print the version and exit.",
        ),
    ] = False,
):
    """Text classifiers in Keras: strings in, answers out."""


@app.command(
    epilog="Example: keras-nlp-lite train --data aclImdb --model bigram --run runs/bigram"
)
@plainly
def train(
    data: Data,
    model: Annotated[
        str,
        typer.Option(help="unigram, bigram, average, lstm or transformer."),
    ] = "bigram",
    run: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder for the model, the results and the TensorBoard logs. By "
            "default runs/MODEL, or the first of runs/MODEL-2, ... that is free.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the texts.")] = 5,
    max_tokens: Annotated[
        int | None,
        typer.Option(
            min=3,
            help="Size of the vocabulary. By default 20,000 for bigrams, else 10,000.",
        ),
    ] = None,
    mode: Annotated[
        str | None,
        typer.Option(
            help="What unigram and bigram count: multi_hot (the default), count, "
            "tf_idf or log_count_ratio."
        ),
    ] = None,
    sequence_length: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Words after which average, lstm and transformer cut a text. By "
            "default 250.",
        ),
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(min=0, help="By default the model's own, 0.001.")
    ] = None,
    batch_size: BatchSize = 32,
    validation_split: Annotated[
        float,
        typer.Option(
            min=0, max=0.99, help="Share of the texts held out to validate; 0 for none."
        ),
    ] = 0.2,
    seed: Annotated[
        int, typer.Option(min=0, help="Of the split, the order and the weights.")
    ] = 0,
    classes: Classes = None,
    text: Text = "text",
    label: Label = "label",
    no_header: Annotated[
        bool,
        typer.Option(
            "--no-header",
            help="The table begins with its first row; --text and --label are numbers "
            "of columns, counted from 0.",
        ),
    ] = False,
    encoding: Encoding = "utf-8",
    distribute: Annotated[
        str,
        typer.Option(
            help="Devices to train on: none, mirrored (all that are visible), "
            "multi_worker (the machines that the environment names) or auto."
        ),
    ] = "none",
    precision: Annotated[
        str,
        typer.Option(
            help="float32, bfloat16, float16, or auto: what is fast on this device."
        ),
    ] = "float32",
):
    """Train a classifier, and test it if PATH holds a folder test/."""
    with quiet_start():
        from keras_nlp_lite.training.distribute import distribute as spread
        from keras_nlp_lite.training.precision import set_precision

        spread(distribute)
        set_precision(precision)
        from keras_nlp_lite.cli.corpus import Reading
        from keras_nlp_lite.cli.runs import free_folder
        from keras_nlp_lite.cli.training import train
    train(
        data,
        model,
        run or free_folder(f"runs/{model}"),
        Reading(
            text=text,
            label=label,
            header=not no_header,
            encoding=encoding,
            class_names=classes.split(",") if classes else None,
            batch_size=batch_size,
            seed=seed,
        ),
        overwrite=overwrite,
        validation_split=validation_split,
        epochs=epochs,
        learning_rate=learning_rate,
        max_tokens=max_tokens,
        mode=mode,
        sequence_length=sequence_length,
    )


@app.command(epilog="Example: keras-nlp-lite evaluate --run runs/bigram --data aclImdb")
@plainly
def evaluate(
    run: RunFolder,
    data: Data,
    text: Annotated[
        str | None,
        typer.Option(
            metavar="COL",
            help="Column or field of the text. By default as in training.",
        ),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(
            metavar="COL",
            help="Column or field of the label. By default as in training.",
        ),
    ] = None,
    encoding: Annotated[
        str | None,
        typer.Option(help="How the files are encoded. By default as in training."),
    ] = None,
    batch_size: BatchSize = 32,
    as_json: AsJson = False,
):
    """Measure a trained model on labelled texts: PATH/test if there is one, else PATH."""
    with quiet_start():
        from keras_nlp_lite.cli.finished import evaluate
    evaluate(
        run,
        data,
        as_json=as_json,
        text=text,
        label=label,
        encoding=encoding,
        batch_size=batch_size,
    )


@app.command(
    epilog='Example: keras-nlp-lite predict --run runs/bigram "not good" "a joy"'
)
@plainly
def predict(
    run: RunFolder,
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TEXT",
            help="The texts. By default the lines of standard input.",
        ),
    ] = None,
    file: Annotated[
        Path | None, typer.Option(metavar="PATH", help="A file with a text a line.")
    ] = None,
    as_json: AsJson = False,
):
    """Say the class of texts: a line each, with its probability."""
    with quiet_start():
        from keras_nlp_lite.cli.finished import predict
    predict(run, texts, file, as_json=as_json)


@app.command(
    epilog="Example: keras-nlp-lite export --run runs/bigram --to served/bigram"
)
@plainly
def export(
    run: RunFolder,
    to: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the SavedModel.")],
):
    """Write a SavedModel, from texts to probabilities, that needs no keras_nlp_lite."""
    with quiet_start():
        from keras_nlp_lite.cli.finished import export
    export(run, to)


@app.command(epilog="Example: keras-nlp-lite info --run runs/bigram")
@plainly
def info(
    run: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder of the run. By default, only the machine."
        ),
    ] = None,
    as_json: AsJson = False,
):
    """Show a run's model, settings and results, and the versions and devices here."""
    with quiet_start():
        from keras_nlp_lite.cli.finished import info
    info(run, as_json=as_json)


@app.command(epilog="Example: keras-nlp-lite demo")
@plainly
def demo(
    run: Annotated[
        Path,
        typer.Option(
            metavar="DIR", help="Folder for the reviews and a run for each model."
        ),
    ] = Path("runs/demo"),
    examples: Annotated[
        int,
        typer.Option(min=100, help="Reviews to train on, and as many to test on."),
    ] = 2000,
):
    """Train the baselines on made-up reviews, compare them, and ask them something."""
    with quiet_start():
        from keras_nlp_lite.cli.demo import demo
    demo(run, examples)


@app.command(
    epilog="Example: keras-nlp-lite launch --workers 2 script.py --epochs 3",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
@plainly
def launch(
    script: Annotated[
        list[str],
        typer.Argument(metavar="SCRIPT [ARGUMENTS]", help="A Python script."),
    ],
    workers: Annotated[int, typer.Option(min=1, help="How many processes.")] = 2,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1, help="Of each worker. By default the cores, shared evenly."
        ),
    ] = None,
):
    """Try out on this machine a script that is meant for several: a worker each.

    The script calls knl.training.distribute("auto"). Options of launch stand before it.
    """
    import sys

    from keras_nlp_lite.cli.launching import launch as start

    raise typer.Exit(start([sys.executable, *script], workers, threads=threads))


app.add_typer(tokenizer_commands.app, name="tokenizer")
app.command(
    epilog="Example: keras-nlp-lite tune --data aclImdb --space transformer --trials 20"
)(tune)


if __name__ == "__main__":
    app()
