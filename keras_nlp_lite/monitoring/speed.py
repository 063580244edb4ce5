"""How much a run gets through: examples, tokens, arithmetic."""

import keras

from keras_nlp_lite.monitoring.matmul_ceiling import matmul_ceiling
from keras_nlp_lite.monitoring.model_flops import model_flops
from keras_nlp_lite.monitoring.token_counts import TokenCounts
from keras_nlp_lite.monitoring.training_pace import TrainingPace


class Speed:
    """What training gets through in a second, as scalars by name.

    - "examples_per_second", where the model says how many examples an epoch has;
      otherwise "batches_per_second";
    - of input that is tokens, "tokens_per_second", without padding, and
      "padding_share", the share of places that hold none;
    - of these, if asked, "model_gflops_per_second", the arithmetic that the model
      needs for them (`model_flops`), in units of a billion, and
      "share_of_matmul_ceiling", what that is of `matmul_ceiling`.

    Args:
        counts: StepCounts, or None for no tokens.
        flops: Whether arithmetic is asked for.

    Raises:
        ValueError: in `start`, if arithmetic is asked for and cannot be counted.
    """

    def __init__(self, counts=None, flops=False):
        self.counts = counts
        self.flops = flops
        self.pace = TrainingPace()
        self._start = self._last_lap = None  # TokenCounts

    def start(self, model):
        """Before the first epoch."""
        self.model = model
        self.pace = TrainingPace()
        self._start = self._last_lap = None
        self._flops = self._ceiling = None
        if self.flops:
            self._flops = model_flops(model)
            if self._flops is None:
                raise ValueError(
                    "`flops=True` counts the products of dense, recurrent and attention "
                    f"layers. Received: {type(model).__name__}, which has weights of "
                    "another kind, or two inputs of text. Try flops=False."
                )
            dtype = keras.backend.standardize_dtype(model.dtype_policy.compute_dtype)
            self._ceiling = matmul_ceiling(dtype)

    def start_epoch(self):
        self.pace.start_epoch()
        self._start = self._last_lap = self._read()

    def finish_batches(self, batches):
        """Notes that the epoch's first `batches` batches are done by now."""
        self.pace.finish_batches(batches)

    def lap(self, steps):
        """dict of float, since the last lap or the epoch's start.

        Args:
            steps: int, batches in an epoch; None if that is not known.
        """
        before, self._last_lap = self._last_lap, self._read()
        return self._scalars(*self.pace.lap(), steps, before, self._last_lap)

    def epoch(self, steps):
        """dict of float, of this epoch; arguments as of `lap`."""
        return self._scalars(*self.pace.epoch(), steps, self._start, self._read())

    def _scalars(self, batches, seconds, steps, before, now):
        if not batches:
            return {}
        examples = getattr(self.model, "training_examples", None)
        if examples is None:
            scalars = {"batches_per_second": batches / seconds}
        else:
            steps = steps or self.pace.longest_epoch
            scalars = {"examples_per_second": batches * examples / steps / seconds}
        if now is None:
            return scalars
        before = before or TokenCounts(0, 0, 0, 0)
        counts = TokenCounts(*(x - y for x, y in zip(now, before)))
        scalars["tokens_per_second"] = counts.tokens / seconds
        if counts.places:
            scalars["padding_share"] = 1 - counts.tokens / counts.places
        if self._flops is not None:
            rate = self._flops.of(counts) / seconds
            scalars["model_gflops_per_second"] = rate / 1e9
            scalars["share_of_matmul_ceiling"] = rate / self._ceiling
        return scalars

    def _read(self):
        return None if self.counts is None else self.counts.read()
