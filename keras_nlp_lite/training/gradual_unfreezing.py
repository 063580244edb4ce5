"""Training from the top downwards: head first, then block after block."""

import keras

from keras_nlp_lite.checks import check_positive_int
from keras_nlp_lite.optimizers import layer_depths


class GradualUnfreezing(keras.callbacks.Callback):
    """Trains the head alone at first, and one block more every few epochs.

    Which weights are head, block and embedding is seen from the model
    (`layer_depths`). No gradients are computed for what is frozen, so early epochs are
    the faster ones. Each change traces the training step anew.

    The optimizer keeps its state. One of `knl.training.optimizer` also counts the steps
    of late weights from their first one; others would make them too large, by up to
    six times with Adam. Weight decay leaves frozen weights alone. After training all
    that was trainable before is so again.

    Args:
        epochs_per_block: int, epochs before the next block trains, too.

    Raises:
        ValueError: `epochs_per_block` is no positive integer; when training begins, the
            model has no weights yet.

    Example:

    >>> model = keras.Sequential([keras.layers.Dense(2), keras.layers.Dense(1)])
    >>> model.build((None, 3))
    >>> model.compile("sgd", "mse")
    >>> x = keras.ops.ones((4, 3))
    >>> history = model.fit(
    ...     x, x[:, :1], epochs=2, callbacks=[GradualUnfreezing()], verbose=0
    ... )

    Reference: Howard & Ruder, "Universal Language Model Fine-tuning", arXiv:1801.06146.
    """

    def __init__(self, epochs_per_block=1):
        super().__init__()
        check_positive_int("epochs_per_block", epochs_per_block)
        self.epochs_per_block = epochs_per_block
        self._layers = {}  # depth: all of its variables that will train
        self._since = {}  # depth: the optimizer's steps before the first one there

    def on_train_begin(self, logs=None):
        self._thaw()  # where an error ended the last training
        variables = self.model.trainable_variables
        if not variables:
            raise ValueError(
                "Which weights to free first is seen from the weights. Received: a model "
                "without any, so far. Try `model.build(input_shape)` before `fit`."
            )
        if not self.model.optimizer.built:
            self.model.optimizer.build(variables)
        self._layers = {}
        for variable, depth in zip(variables, layer_depths(variables), strict=True):
            self._layers.setdefault(depth, []).append(variable)

    def on_epoch_begin(self, epoch, logs=None):
        changed = False
        for depth, variables in self._layers.items():
            first = depth * self.epochs_per_block
            train = epoch >= first
            if not train:
                self._since.pop(depth, None)
            elif depth and epoch == first and depth not in self._since:
                self._since[depth] = int(self.model.optimizer.iterations)
            changed |= variables[0].trainable != train
            for variable in variables:
                variable.trainable = train
        self._tell_optimizer()
        if changed:
            self.model.make_train_function(force=True)

    def on_train_end(self, logs=None):
        if self._thaw():
            self.model.train_function = None

    def get_state(self):
        """dict of JSON: what a resumed run has to know."""
        return {str(depth): step for depth, step in self._since.items()}

    def set_state(self, state):
        self._since = {int(depth): step for depth, step in state.items()}

    def _thaw(self):
        """Whether there was something to let train again."""
        frozen = [
            v for layer in self._layers.values() for v in layer if not v.trainable
        ]
        for variable in frozen:
            variable.trainable = True
        return bool(frozen)

    def _tell_optimizer(self):
        optimizer = self.model.optimizer
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        if hasattr(optimizer, "free_since"):
            for depth, step in self._since.items():
                optimizer.free_since(self._layers[depth], step)
