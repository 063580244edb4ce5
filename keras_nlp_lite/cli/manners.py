"""How every command behaves: it starts quietly, and says what is wrong in a sentence."""

import contextlib
import functools
import os
import sys
import tempfile

import typer

_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


def plainly(command):
    """Decorates a command: what its user can mend is one sentence and exit code 2.

    That is any ValueError which this package raises, and any OSError, such as a folder
    that may not be written. Everything else is a defect, and keeps its traceback.

    Args:
        command: Function, as typer takes it.

    Returns:
        The function, with the same signature.
    """

    @functools.wraps(command)
    def run(*args, **kwargs):
        try:
            return command(*args, **kwargs)
        except BrokenPipeError:
            raise  # the reader of a pipe, such as `head`, has enough
        except OSError as error:
            sentence = f"{error.strerror or error}. Received: {error.filename!r}."
        except ValueError as error:
            if not _raised_here(error):
                raise
            sentence = str(error)
        typer.secho("Error: ", fg="red", err=True, nl=False)
        typer.echo(sentence, err=True)
        raise typer.Exit(2)

    return run


def _raised_here(error):
    """Whether it was this package that raised, not something that it called."""
    trace = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_globals["__name__"].startswith("keras_nlp_lite.")


@contextlib.contextmanager
def quiet_start():
    """Surrounds the imports that bring TensorFlow, and keeps its notices back.

    It writes some of them before it reads TF_CPP_MIN_LOG_LEVEL, so that stderr itself
    is set aside meanwhile. If an import fails, what was said is shown after all. Who
    has set TF_CPP_MIN_LOG_LEVEL below 3 gets what they asked for.
    """
    if os.environ.get(_LOG_LEVEL, "3") != "3":
        yield
        return
    # Even its errors are notices to the user of a command: those that stop anything
    # become exceptions as well.
    os.environ[_LOG_LEVEL] = "3"
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
            _hush()
        except BaseException:
            said.seek(0)
            os.write(stderr, said.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)


def _hush():
    """What remains once TensorFlow is imported."""
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")  # the Python side of _LOG_LEVEL
    tf.config.list_physical_devices()  # where it talks about the GPU it did not find
