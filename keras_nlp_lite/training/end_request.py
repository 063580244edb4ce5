"""SIGTERM, noted until there is time for it."""

import signal
import sys
import threading


class EndRequest:
    """Notes that the process is told to end (SIGTERM), and lets it end when it may.

    Attributes:
        came: bool, whether it was told so.

    Example:

    >>> request = EndRequest()
    >>> request.listen()
    >>> signal.raise_signal(signal.SIGTERM)
    >>> request.came
    True
    >>> request.let_go()
    """

    def __init__(self):
        self.came = False
        self._previous = None  # what the signal did before

    def listen(self, once=False):
        """From now on the signal is noted, and does nothing else.

        Only the main thread may say what a signal does; in others nothing happens, and
        neither where the signal is ignored, which somebody wants so.

        Args:
            once: Whether a second signal does again what it always did: for callers
                who may not come to `let_go`.
        """
        self.let_go()
        self.came = False

        def note(*_):
            self.came = True
            if once:
                self.let_go()

        if threading.current_thread() is threading.main_thread() and signal.getsignal(
            signal.SIGTERM
        ) not in (signal.SIG_IGN, None):
            self._previous = signal.signal(signal.SIGTERM, note)

    def let_go(self):
        """The signal does again what it did before `listen`."""
        if self._previous is not None:
            signal.signal(signal.SIGTERM, self._previous)
            self._previous = None

    def obey(self, words):
        """Does what the signal would have done: by default, ends with status 143.

        Args:
            words: str, said on standard error before.
        """
        self.came = False
        print(words, file=sys.stderr)
        self.let_go()
        if callable(signal.getsignal(signal.SIGTERM)):
            signal.raise_signal(signal.SIGTERM)
        else:
            raise SystemExit(128 + signal.SIGTERM)
