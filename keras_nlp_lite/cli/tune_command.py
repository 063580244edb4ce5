"""`keras-nlp-lite tune`: the options of a search."""

from pathlib import Path
from typing import Annotated

import typer

from keras_nlp_lite.cli.manners import plainly, quiet_start
from keras_nlp_lite.cli.options import (
    Classes,
    Data,
    Encoding,
    Label,
    Overwrite,
    Text,
)


@plainly
def tune(
    data: Data,
    space: Annotated[
        str,
        typer.Option(
            help="What is searched: ngrams, average, lstm, transformer, or encoder (a "
            "tokenizer and an encoder from nothing, or --preset)."
        ),
    ] = "ngrams",
    trials: Annotated[int, typer.Option(min=1, help="How many trials.")] = 20,
    tuner: Annotated[
        str, typer.Option(help="random, bayesian, hyperband or grid.")
    ] = "random",
    run: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder for the search, the best model and its results. A search that "
            "is there goes on. By default runs/tune-SPACE.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUES",
            help="One argument of the space: ngrams=2 fixes it, ngrams=1,2,3 is a "
            "choice, learning_rate=1e-4:1e-2:log a range. Can be given several times.",
        ),
    ] = None,
    only_set: Annotated[
        bool, typer.Option("--only-set", help="Vary nothing but what --set says.")
    ] = False,
    preset: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="For encoder: the one to fine-tune."),
    ] = None,
    objective: Annotated[
        str,
        typer.Option(
            help="What trials are judged by; several with commas, as in "
            "val_accuracy,latency,size."
        ),
    ] = "val_accuracy",
    direction: Annotated[
        str, typer.Option(help="max or min; with commas for several objectives.")
    ] = "max",
    epochs: Annotated[int, typer.Option(min=1, help="The most of a trial.")] = 10,
    executions: Annotated[
        int, typer.Option(min=1, help="Trainings of each trial, whose mean counts.")
    ] = 1,
    budget: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Of the whole search, as 30m or 1.5h."),
    ] = None,
    no_early_stop: Annotated[
        bool,
        typer.Option("--no-early-stop", help="Train all epochs, better or not."),
    ] = False,
    validation_split: Annotated[
        float,
        typer.Option(min=0.01, max=0.99, help="Share of the texts held out."),
    ] = 0.2,
    seed: Annotated[
        int, typer.Option(min=0, help="Of the split, the search and the trials.")
    ] = 0,
    classes: Classes = None,
    text: Text = "text",
    label: Label = "label",
    encoding: Encoding = "utf-8",
):
    """Search for the arguments with which a classifier does best, and keep that one."""
    with quiet_start():
        from keras_nlp_lite.cli.corpus import Reading
        from keras_nlp_lite.cli.tuning import tune
    tune(
        data,
        space,
        run or Path(f"runs/tune-{space}"),
        Reading(
            text=text,
            label=label,
            encoding=encoding,
            class_names=classes.split(",") if classes else None,
            seed=seed,
        ),
        vary or [],
        only_set=only_set,
        preset=preset,
        validation_split=validation_split,
        max_trials=trials,
        tuner=tuner,
        objective=objective,
        direction=direction,
        epochs=epochs,
        executions=executions,
        budget=budget,
        early_stop=not no_early_stop,
        overwrite=overwrite,
    )
