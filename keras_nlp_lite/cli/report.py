"""What the command line prints for people."""

import shlex
import shutil
import sys

import typer
from rich.console import Console
from rich.table import Table

_WIDTH = 100  # columns, where there is no terminal to ask


def print_results(title, results):
    """A table of what one run gave.

    Args:
        title: Of the table.
        results: dict, as in `results.json`; parts may be missing.
    """
    name = results.get("model")
    facts = {
        "model": f"{name} ({results['class']})" if name else results["class"],
        "classes": results["class_names"],
        "parameters": results["parameters"],
        "vocabulary": results["vocabulary_size"],
    }
    for setting, value in results.get("settings", {}).items():
        facts[setting.replace("_", " ")] = value
    for part, value in results.get("accuracy", {}).items():
        facts[f"{part} accuracy"] = f"{value:.4f}"
    if "seconds" in results:
        facts["seconds to train"] = f"{_seconds_to_train(results):.1f}"
    print_facts(title, facts)


def print_facts(title, facts):
    """A line for each fact: its name and its value; unknown ones (None) are left out."""
    table = Table(show_header=False, box=None)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        if value is not None:
            table.add_row(name, _plain(value))
    _print(title, table)


def print_comparison(title, runs):
    """A table with a line for each run.

    Args:
        title: Of the table.
        runs: list of dict, as in `results.json`.
    """
    print_table(
        title,
        ["", "test accuracy", "parameters", "seconds to train"],
        [
            [
                run["model"],
                f"{run['accuracy']['test']:.4f}",
                run["parameters"],
                f"{_seconds_to_train(run):.1f}",
            ]
            for run in runs
        ],
    )


def print_table(title, columns, rows):
    """A table; its first column names the rows, the others are aligned right."""
    table = Table()
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    for row in rows:
        table.add_row(*map(_plain, row))
    _print(title, table)


def print_commands(commands):
    """Commands to run next, each after what it is for.

    Args:
        commands: dict from a purpose to the command's words, a list of str.
    """
    typer.echo()
    width = max(map(len, commands))
    for purpose, words in commands.items():
        typer.secho(f"{purpose:<{width}}  ", bold=True, nl=False)
        typer.echo(shlex.join(map(str, words)))


def prediction(text, label, probability, names):
    """A line with a text's class, its probability and the text.

    Args:
        text: str; cut to the width of a terminal, whole in a file or pipe.
        label: str, one of `names`.
        probability: float.
        names: list of str, all classes, so that lines stand in columns.

    Example:

    >>> prediction("A joy", "pos", 0.98765, ["pos", "negative"])
    'pos       0.9877  A joy'
    """
    line = f"{label:<{max(map(len, names))}}  {probability:.4f}  {text}"
    if not sys.stdout.isatty():
        return line
    width = shutil.get_terminal_size().columns
    return line if len(line) <= width else line[: width - 1] + "…"


def _seconds_to_train(results):
    return results["seconds"]["adapt"] + results["seconds"]["fit"]


def _plain(value):
    """A value as people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(value)
    return str(value)


def _print(title, table):
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, width=_WIDTH)
    console.print(f"\n{title}", style="bold")
    console.print(table)
