"""What can be done with a finished run: evaluate, predict, export, look at it."""

import itertools
import json
import os
import time

import tensorflow as tf
import typer

from keras_nlp_lite import data
from keras_nlp_lite.cli import report
from keras_nlp_lite.cli.corpus import Reading, read_test
from keras_nlp_lite.cli.runs import Run, describe
from keras_nlp_lite.cli.training import verbosity, versions

_BATCH = 256  # texts predicted at once


def evaluate(run, path, *, as_json, **reading):
    """What `keras-nlp-lite evaluate` does.

    Args:
        run: Folder of the run.
        path: Where the labelled texts are; see `corpus.read_test`.
        as_json: Whether to print for machines.
        **reading: As for `corpus.Reading`; None is what the run was trained with.
    """
    run = Run(run)
    model = run.model()
    trained = run.results().get("settings", {})
    for name in ("text", "label", "header", "encoding"):
        if reading.get(name) is None:
            reading[name] = trained.get(name, getattr(Reading, name))
    test = read_test(path, Reading(class_names=model.class_names, **reading))
    start = time.perf_counter()
    verbose = 0 if as_json else verbosity()
    values = model.evaluate(test, return_dict=True, verbose=verbose)
    values["seconds"] = time.perf_counter() - start
    if as_json:
        typer.echo(json.dumps(values))
    else:
        report.print_facts(f"{run.folder} on {path}", values)


def predict(run, texts, file, *, as_json):
    """What `keras-nlp-lite predict` does: a line for each text, in order.

    Args:
        run: Folder of the run.
        texts: list of str; if there are none, they come from `file`.
        file: Path of a file of lines; None for standard input.
        as_json: Whether each line is a JSON object.
    """
    batches = _batches(texts, file)
    model = Run(run).model()
    names = model.class_names or [str(i) for i in range(model.num_classes)]
    for batch in batches:
        for text, row in zip(batch, model.predict_on_batch(batch)):
            probabilities = dict(zip(names, map(float, row)))
            label = max(probabilities, key=probabilities.get)
            if as_json:
                line = json.dumps(
                    {
                        "text": text,
                        "label": label,
                        "probability": probabilities[label],
                        "probabilities": probabilities,
                    },
                    ensure_ascii=False,
                )
            else:
                line = report.prediction(text, label, probabilities[label], names)
            typer.echo(line)


def _batches(texts, file):
    """Iterator of list of str."""
    if texts and file is not None:
        raise ValueError(
            "Texts come as arguments or in --file. Received: both. Try one of them."
        )
    if texts:
        return iter([texts])
    if file is not None:
        lines = data.read_lines(file, batch_size=_BATCH).as_numpy_iterator()
        return ([text.decode() for text in batch] for batch in lines)
    stream = typer.get_binary_stream("stdin")
    if stream.isatty():
        raise ValueError(
            "There must be a text. Received: none. Try it as an argument, in quotes, "
            "or --file, or a pipe."
        )
    return _batched(_lines(stream), _BATCH)


def _lines(stream):
    for number, line in enumerate(stream, 1):
        try:
            yield line.decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError as error:
            raise ValueError(
                "Standard input must be UTF-8 text. Received: byte "
                f"0x{line[error.start]:02X} in line {number}. Try --file with a file "
                "that is saved as UTF-8."
            ) from None


def _batched(items, size):
    while batch := list(itertools.islice(items, size)):
        yield batch


def export(run, folder):
    """What `keras-nlp-lite export` does.

    Args:
        run: Folder of the run.
        folder: Where the SavedModel goes: a new or empty folder, or an export.

    Raises:
        ValueError: Something else is there, which an export would replace.
    """
    folder = os.fspath(folder)
    if os.path.isdir(folder):
        taken = os.listdir(folder) and "saved_model.pb" not in os.listdir(folder)
    else:
        taken = os.path.exists(folder)
    if taken:
        raise ValueError(
            "--to must be a new folder, or that of an earlier export. Received: "
            f"{folder!r}, which holds something else."
        )
    Run(run).model().export(folder, verbose=False)
    # In two steps: a function outlives what was loaded, but its weights do not.
    typer.echo(
        "It takes texts and gives a probability for each class. It runs without this "
        "package:\n\n"
        f"    model = tf.saved_model.load({folder!r})\n"
        "    model.serve(['not good', 'a joy'])"
    )


def info(run, *, as_json):
    """What `keras-nlp-lite info` does.

    Args:
        run: Folder of the run; None for the machine alone.
        as_json: Whether to print for machines.
    """
    facts = {}
    if run is not None:
        run = Run(run)
        facts = {**describe(run.model()), **run.results()}
    machine = {"versions": versions(), "devices": _devices()}
    if as_json:
        typer.echo(json.dumps({"run": facts, "machine": machine}, ensure_ascii=False))
        return
    if run is not None:
        report.print_results(run.folder, facts)
    report.print_facts(
        "this machine", {**machine["versions"], "devices": machine["devices"]}
    )


def _devices():
    """list of str, each device that TensorFlow can use."""
    devices = []
    for device in tf.config.list_physical_devices():
        details = tf.config.experimental.get_device_details(device)
        name = device.name.removeprefix("/physical_device:")
        devices.append(" ".join([name, details.get("device_name", "")]).strip())
    return devices
