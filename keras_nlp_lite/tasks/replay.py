"""Takes `fit`, and its data, to where an earlier process was."""

import itertools
import warnings

import keras


def resumable_run(callbacks):
    """The callback among them that lets `fit` go on where it was; None if none does."""
    if isinstance(callbacks, keras.callbacks.CallbackList):
        callbacks = callbacks.callbacks
    for callback in keras.tree.flatten(callbacks or []):
        if getattr(callback, "resumes_fit", False):
            return callback
    return None


class Replay:
    """Goes through a run's data again as far as it had come, without training on it.

    Whatever shuffles the data draws what it drew, so that the batches that follow are
    those that would have followed. Of an epoch that is over, the first batch is read,
    and no more where each epoch begins anew; all are where an epoch goes on with the
    iterator of the one before. One call of the training function runs in earnest, on
    batches that are over: it makes all variables that training makes.

    Args:
        run: What `resumable_run` found, with attributes

            - `position`: dict with "epoch", the epoch under way; "step", the batches
              of it that are over; "ends", the batches of each epoch before it; "logs",
              those of the last batch; "over", whether all training is over.
            - `has_all_variables()`: whether nothing has to be trained to make them.
            - `restore()`: gives all variables the values that they had.
        model: The model that trains.
        goes_on: Whether the data is a stream that runs once, or epochs are cut out of
            one pass over the data.
    """

    def __init__(self, run, model, goes_on):
        self.run = run
        self.model = model
        self.goes_on = goes_on
        self.iterator = None  # Keras's, over epochs; set once Keras has made it
        self._tried = False

    def start(self):
        """Goes there; Keras has made its training function by now."""
        iterator, position = self.iterator, self.run.position
        self._tried = position["over"] and self.run.has_all_variables()
        with warnings.catch_warnings():
            # They ran out then, too, and Keras said so.
            warnings.filterwarnings("ignore", "Your input ran out of data")
            for end in position["ends"]:
                with iterator.catch_stop_iteration():
                    self._go_through(iterator, end)
            if position["step"]:
                rest = self._rest(iterator, position["step"])
                rest = itertools.chain(list(itertools.islice(rest, 1)), rest)
                _give_once(iterator, rest)
        self.run.restore()

    def _go_through(self, iterator, end):
        """An epoch that ended after `end` batches."""
        for begin, _, batches in iterator._enumerate_iterator():
            if begin >= end:
                raise StopIteration
            if self.goes_on:
                self._pass_over(batches, self.model.steps_per_execution)
            elif begin == 0:
                self._pass_over(batches, 1)

    def _rest(self, iterator, step):
        """The calls of the training function that are to come in the epoch under way."""
        for call in iterator._enumerate_iterator():
            begin, end, batches = call
            if begin >= step:
                yield call
            elif end >= step:
                raise ValueError(
                    "A run goes on between two calls of the training function. "
                    f"Received: a run that stopped after {step} batches of an epoch, "
                    f"and calls of {end + 1 - begin}. Try the `steps_per_execution` "
                    "that it had."
                )
            else:
                self._pass_over(batches, end + 1 - begin)

    def _pass_over(self, batches, count):
        if self._tried:
            for _ in range(count):
                next(batches, None)
        else:
            self._tried = True
            self.model.train_function(batches)


def _give_once(iterator, calls):
    """Lets the next epoch of Keras's iterator consist of these calls."""

    def enumerate_iterator():
        del iterator._enumerate_iterator  # the class's own from now on
        return calls

    iterator._enumerate_iterator = enumerate_iterator
