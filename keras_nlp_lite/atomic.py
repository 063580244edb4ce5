"""Writing a file or folder so that an interruption leaves the old one whole."""

import contextlib
import os
import shutil
import tempfile


@contextlib.contextmanager
def replacing(path):
    """Gives a path to write to, and moves it over `path` once the block succeeds.

    The new file or folder is written beside `path`, on the same file system, so that
    the move is a rename. If the block raises, or the process dies in it, `path` keeps
    what it held. (A folder takes two renames: a process that is killed between them
    leaves the old one beside `path`, under a name that begins with a dot.)

    Args:
        path: File or folder to replace; its suffix is kept, since savers read it.

    Yields:
        str, the path to write to. Nothing is there yet.

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "note.txt"
    >>> with replacing(path) as temporary:
    ...     pathlib.Path(temporary).write_text("new")
    3
    >>> path.read_text()
    'new'
    """
    path = os.path.abspath(os.fspath(path))
    parent, name = os.path.split(path)
    os.makedirs(parent, exist_ok=True)
    scratch = tempfile.mkdtemp(prefix=f".{name}.", dir=parent)
    try:
        temporary = os.path.join(scratch, name)
        yield temporary
        if os.path.isdir(temporary) and os.path.lexists(path):
            # A folder cannot be renamed over a full one: the old one steps aside,
            # and comes back if the new one cannot take its place.
            aside = os.path.join(scratch, "replaced")
            os.rename(path, aside)
            try:
                os.rename(temporary, path)
            except BaseException:
                os.rename(aside, path)
                raise
        else:
            os.replace(temporary, path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
