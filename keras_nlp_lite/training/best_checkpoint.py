"""The best model of a run, kept as a file."""

import warnings

import keras
import numpy as np

from keras_nlp_lite.checks import check_choice
from keras_nlp_lite.workers import is_chief, replacing_by_chief

# Parts of names of metrics, as Keras and this package call them.
_FALLING = (
    *("loss", "error", "perplexity", "distance", "entropy", "divergence", "hinge"),
    "crossentropy",
    *("mse", "mae", "mape", "msle", "rmse", "cer", "wer", "poisson", "logcosh"),
)
_RISING = (
    *("accuracy", "acc", "auc", "f1", "precision", "recall", "bleu", "rouge", "iou"),
    *("similarity", "correlation", "specificity", "sensitivity", "r2", "score"),
)


class BestCheckpoint(keras.callbacks.Callback):
    """Keeps the model of the best epoch, whole, in a .keras file.

    The file is written beside the old one and takes its place once it is whole. Of
    several workers the first writes. To stop when nothing gets better, use Keras's
    `EarlyStopping` beside it.

    Args:
        path: The file; its folder is made where it is missing.
        monitor: What the epoch's logs call that by which epochs are judged.
        mode: "min" or "max", which values are better. "auto": as the metric says, or
            by its name: "val_loss" is to fall, "f1" to rise.
        restore: Whether the model has the best epoch's weights after training. They
            are kept in memory until then. The optimizer stays as training left it.
        verbose: Whether to print a line at the end of training.

    Attributes:
        best: float, the best value so far; None before the first.
        best_epoch: int, counted from 0.

    Raises:
        ValueError: `path` does not end in .keras; or, when an epoch ends, it is unknown
            whether `monitor` is to rise or to fall.

    Example:

    >>> import tempfile
    >>> model = keras.Sequential([keras.Input([1]), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> best = BestCheckpoint(tempfile.mkdtemp() + "/best.keras", "loss", verbose=0)
    >>> x = np.array([[1.0], [2.0]])
    >>> history = model.fit(x, x, epochs=3, verbose=0, callbacks=[best])
    >>> best.best == min(history.history["loss"])
    True
    >>> loaded = keras.models.load_model(best.path)
    """

    def __init__(
        self, path, monitor="val_loss", *, mode="auto", restore=False, verbose=1
    ):
        super().__init__()
        check_choice("mode", mode, ("auto", "min", "max"))
        if not str(path).endswith(".keras"):
            raise ValueError(
                "A whole model goes into a .keras file. Received: "
                f"path={str(path)!r}. Try {str(path) + '.keras'!r}."
            )
        self.path = str(path)
        self.monitor = monitor
        self.mode = mode
        self.restore = restore
        self.verbose = verbose
        self.best = self.best_epoch = None
        self._weights = None  # list of arrays, the best epoch's, with `restore`
        self._warned = False

    def get_state(self):
        """dict, all that another run needs to go on: the best value and its epoch."""
        return {"best": self.best, "best_epoch": self.best_epoch}

    def set_state(self, state):
        """Goes on where the callback was that gave `state`; `path` is its file."""
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        self._weights = None

    def on_epoch_end(self, epoch, logs=None):
        value = (logs or {}).get(self.monitor)
        if value is None:
            self._miss(logs or {})
            return
        value, mode = float(value), self._mode()
        if np.isnan(value) or not self._is_better(value, mode):
            return
        self.best, self.best_epoch = value, epoch
        if self.restore:
            self._weights = self.model.get_weights()
        strategy = self.model.distribute_strategy
        with replacing_by_chief(self.path, strategy) as temporary:
            self.model.save(temporary)

    def on_train_end(self, logs=None):
        if self.best is None:
            return
        restored = ""
        if self.restore:
            if self._weights is not None:
                self.model.set_weights(self._weights)
                self._weights = None
            else:
                self.model.load_weights(self.path)
            restored = ", whose weights the model has now"
        if self.verbose and is_chief(self.model.distribute_strategy):
            print(
                f"Best {self.monitor}: {self.best:.4f}, in epoch {self.best_epoch + 1}"
                f"{restored}. It is in {self.path}."
            )

    def _is_better(self, value, mode):
        if self.best is None:
            return True
        return value < self.best if mode == "min" else value > self.best

    def _mode(self):
        if self.mode != "auto":
            return self.mode
        mode = direction_of(self.monitor, self.model)
        if mode is None:
            raise ValueError(
                f"Whether {self.monitor!r} is to rise or to fall is not known. "
                "Received: mode='auto'. Try mode='max' or mode='min'."
            )
        return mode

    def _miss(self, logs):
        # Not an error: validation need not run in each epoch.
        if not self._warned:
            self._warned = True
            hint = " Try `fit(validation_data=...)`." if "val_" in self.monitor else ""
            warnings.warn(
                "No model is kept of an epoch without the monitored value. Received: "
                f"monitor={self.monitor!r}; the epoch has {', '.join(sorted(logs))}."
                f"{hint}",
                stacklevel=2,
            )


def direction_of(monitor, model=None):
    """Whether a value of `fit`'s logs is to rise or to fall.

    Args:
        monitor: str, its name in the logs.
        model: Compiled model, whose metrics are asked first.

    Returns:
        "max", "min", or None where neither metric nor name tells.

    Example:

    >>> [direction_of(name) for name in ("val_loss", "f1", "val_perplexity", "lr")]
    ['min', 'max', 'min', None]
    """
    name = monitor.removeprefix("val_")
    for metric in _metrics(model):
        direction = getattr(metric, "_direction", None)
        if metric.name == name and direction in ("up", "down"):
            return "max" if direction == "up" else "min"
    words = name.lower().split("_")
    for mode, known in (("min", _FALLING), ("max", _RISING)):
        if any(word.rstrip("0123456789") in known or word in known for word in words):
            return mode
    return None


def _metrics(model):
    """Those given to `compile`, out of the metrics that hold several."""
    for metric in getattr(model, "metrics", ()):
        yield metric
        yield from getattr(metric, "metrics", ())
