"""What a search says while it runs: a line a trial, and the best so far."""

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
        self._console = console()

    def opening(self, title, tuner, done):
        """Says what is searched, and what an earlier process has done of it."""
        wanted = ", ".join(f"{o.name} ({o.direction})" for o in self.objectives)
        most = "" if self.most is None else f", {self.most} trials"
        self._say(f"Search of {title}: {tuner}{most}, for {wanted}.", "bold")
        if done:
            self._say(f"{done} trials are done already; the search goes on.")

    def ended(self, trial_id, result):
        """A trial's line.

        Args:
            trial_id: str.
            result: dict, as `TrialRun.run` gives it.
        """
        number = int(trial_id) + 1
        head = f"{number:>3}" if self.most is None else f"{number:>3}/{self.most}"
        metrics, seconds = result["metrics"], result["seconds"]
        if metrics is None:
            said = f"{head}  failed after {seconds:.0f} s: {result['message']}"
            self._say(said, "red")
            return
        best = self._note(number, metrics)
        found = "  ".join(f"{o.name} {metrics[o.name]:.4g}" for o in self.objectives)
        line = Text(f"{head}  {found}", "green" if best == number else "")
        if len(self.objectives) == 1:
            line.append(f"  best {self.best[0]:.4g} in {self.best[1]}", "dim")
        line.append(
            f"  {seconds:.0f} s{', cut short' if result['cut_short'] else ''}  ", ""
        )
        line.append(spelled(result["values"], self.names), "dim")
        self._say(line)

    def note(self, trial_id, metrics):
        """Counts a trial of an earlier process."""
        if metrics is not None:
            self._note(int(trial_id) + 1, metrics)

    def closing(self, result):
        """The best trials, as a table."""
        if self.verbose:
            self._console.print(result.table(5))

    def _note(self, number, metrics):
        objective = self.objectives[0]
        value = metrics[objective.name]
        if objective.better(value, self.best and self.best[0]):
            self.best = value, number
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


def table_of(title, columns, rows):
    """A rich Table; its columns but the last are aligned right."""
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        last = number == len(columns) - 1
        table.add_column(column, justify="left" if last else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table
