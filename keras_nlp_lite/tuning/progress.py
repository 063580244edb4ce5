"""What a search says while it runs: a line a trial, and the best so far."""

import io
import sys

from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDTH = 100  # columns, where there is no terminal to ask


class Progress:
    """Prints a line for each trial.

    Args:
        objectives: tuple of `Objective`.
        most: int, how many trials there are going to be; None if nobody knows.
        names: The arguments to show.
        verbose: 0 for nothing.
    """

    def __init__(self, objectives, most, names, verbose):
        self.objectives = objectives
        self.most = most
        self.names = list(names)
        self.verbose = verbose
        self.best = None  # (value, trial's id)
        self.ended_trials = 0
        self._console = console()

    def opening(self, title, tuner, done, over=False):
        """Says what is searched, and what an earlier process has done of it.

        Args:
            title: str, of the model.
            tuner: str.
            done: int, trials that have ended.
            over: Whether none is to come.
        """
        wanted = ", ".join(f"{o.name} ({o.direction})" for o in self.objectives)
        most = "" if self.most is None else f", {self.most} trials"
        self._say(f"Search of {title}: {tuner}{most}, for {wanted}.", "bold")
        if done:
            rest = "none is left to run" if over else "the search goes on"
            said = "trials are" if done > 1 else "trial is"
            self._say(f"{done} {said} done already; {rest}.")

    def ended(self, trial_id, result):
        """A trial's line.

        Args:
            trial_id: str.
            result: dict, as `TrialRun.run` gives it.
        """
        self.ended_trials += 1
        count = f"{self.ended_trials:>3}" + (f"/{self.most}" if self.most else "")
        head = f"{count}  trial {trial_id}"
        metrics, seconds = result["metrics"], result["seconds"]
        if metrics is None:
            said = f"{head}  failed after {seconds:.0f} s: {result['message']}"
            self._say(said, "red")
            return
        best = self._note(trial_id, metrics)
        found = "  ".join(f"{o.name} {metrics[o.name]:.4g}" for o in self.objectives)
        line = Text(f"{head}  {found}", "green" if best == trial_id else "")
        if len(self.objectives) == 1:
            line.append(f"  best {self.best[0]:.4g} in trial {self.best[1]}", "dim")
        line.append(
            f"  {seconds:.0f} s{', cut short' if result['cut_short'] else ''}  ", ""
        )
        line.append(spelled(result["values"], self.names), "dim")
        self._say(line)

    def note(self, trial_id, metrics):
        """Counts a trial of an earlier process."""
        self.ended_trials += 1
        if metrics is not None:
            self._note(trial_id, metrics)

    def closing(self, result):
        """The best trials, as a table."""
        if self.verbose:
            self._console.print(result.table(5))

    def _note(self, trial_id, metrics):
        objective = self.objectives[0]
        value = metrics[objective.name]
        if objective.better(value, self.best and self.best[0]):
            self.best = value, trial_id
        return self.best[1]

    def _say(self, line, style=None):
        if self.verbose:
            self._console.print(line, style=style, overflow="ellipsis", no_wrap=True)


def console():
    """Where a search speaks: the terminal, or lines of a fixed width."""
    found = Console(highlight=False, markup=False, file=sys.stdout)
    if found.is_terminal:
        return found
    return Console(highlight=False, markup=False, width=_WIDTH, file=sys.stdout)


def spelled(values, names):
    """A trial's arguments in a line, as people write them."""
    return " ".join(f"{n}={plain(values[n])}" for n in names if n in values)


def plain(value):
    """A value as people read it."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


class PrintedTable(Table):
    """A rich Table that `print` shows, too."""

    def __str__(self):
        page = Console(width=console().width, file=io.StringIO(), color_system=None)
        page.print(self)
        return page.file.getvalue().rstrip("\n")

    __repr__ = __str__


def table_of(title, columns, rows):
    """A `PrintedTable`; its columns but the last are aligned right."""
    table = PrintedTable(title=title, title_justify="left")
    for number, column in enumerate(columns):
        last = number == len(columns) - 1
        table.add_column(column, justify="left" if last else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table
