"""Where examples lie: paths that must exist, and a guess when they do not."""

import difflib
import os


def check_path(path, kind):
    """Refuses a path where there is no file, or no folder.

    Args:
        path: str or PathLike.
        kind: "file" or "folder", what must be there.

    Returns:
        str, the path.

    Raises:
        ValueError: Nothing is there, or the other kind is.
    """
    path = os.fsdecode(path)
    there = "file" if os.path.isfile(path) else "folder" if os.path.isdir(path) else ""
    if there == kind:
        return path
    if there == "folder":
        hint = "which is a folder. Try one of the files in it, or read_directory."
    elif there == "file":
        hint = "which is a file. Try its folder, or read_csv, read_jsonl or read_lines."
    else:
        hint = f"where there is nothing.{_guess(path)}"
    raise ValueError(f"`path` must be a {kind}. Received: path={path!r}, {hint}")


def _guess(path):
    parent, name = os.path.split(os.path.abspath(path))
    if not os.path.isdir(parent):
        return f" Its folder {parent!r} is missing too."
    close = difflib.get_close_matches(name, os.listdir(parent), n=1)
    return f" Did you mean {os.path.join(parent, close[0])!r}?" if close else ""


def did_you_mean(value, choices):
    """A closing question that guesses what was meant, or nothing.

    Args:
        value: What came.
        choices: Iterable of str that would do.

    Returns:
        str, empty if no choice is close.

    Example:

    >>> did_you_mean("txt", ["text", "label"])
    " Did you mean 'text'?"
    """
    close = difflib.get_close_matches(str(value), choices, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""
