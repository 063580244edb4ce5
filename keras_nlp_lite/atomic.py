"""Writing a file or folder so that an interruption leaves the old one whole."""

import contextlib
import errno
import os
import shutil
import tempfile


@contextlib.contextmanager
def replacing(path, *, durable=False):
    """Gives a path to write to, and moves it over `path` once the block succeeds.

    The new file or folder is written beside `path`, on the same file system, so that
    the move is a rename. If the block raises, or the process dies in it, `path` keeps
    what it held. (A folder takes two renames: a process that is killed between them
    leaves the old one beside `path`, under a name that begins with a dot.)

    Args:
        path: File or folder to replace; its suffix is kept, since savers read it.
        durable: Whether it is on the disk before it takes the name, so that a power
            cut, too, leaves the old one or the new one whole. Costs the time that
            the disk takes.

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
        if durable:
            _flush_all(temporary)
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
        if durable:
            _flush(parent)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _flush_all(path):
    """Waits until a file, or a folder and all within it, is on the disk."""
    for folder, _, files in os.walk(path):
        for name in files:
            _flush(os.path.join(folder, name))
        _flush(folder)
    if os.path.isfile(path):
        _flush(path)


def _flush(path):
    # Some file systems know no such thing for folders, and look after themselves.
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:  # folders on Windows
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
