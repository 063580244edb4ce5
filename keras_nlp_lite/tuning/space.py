"""What a search may vary: a hypermodel over representation, architecture, training."""

import inspect
import os
import weakref

import keras
import numpy as np
import tensorflow as tf

from keras_nlp_lite import models
from keras_nlp_lite.checks import check_choice
from keras_nlp_lite.tasks import Task
from keras_nlp_lite.training.optimizer import optimizer as make_optimizer
from keras_nlp_lite.tuning.defaults import known_ranges
from keras_nlp_lite.tuning.kt import keras_tuner
from keras_nlp_lite.tuning.ranges import Fixed, as_range
from keras_nlp_lite.tuning.refusals import check_values
from keras_nlp_lite.tuning.scratch import ENCODER, Vocabularies, scratch_classifier

# Arguments that `training.optimizer` takes.
OPTIMIZATION = (
    "optimizer",
    "learning_rate",
    "schedule",
    "warmup",
    "weight_decay",
    "layer_decay",
    "ema",
    "clip",
    "accumulate",
)
TRAINING = (*OPTIMIZATION, "batch_size", "epochs")
_WHOLE = ("epochs", "accumulate")  # numbers, though no default says so

# Arguments whose lists are values: which classes there are is nobody's guess.
_NO_CHOICE = ("class_names", "labels")


def space(model, *, preset=None, corpus=None, defaults=True, **ranges):
    """The space of a model's arguments and of its training.

    A value fixes an argument, a list is a choice, and a tuple is a range: (low, high),
    (low, high, "log") or (low, high, step). `fixed((1, 3))` is for a value that is a
    list or tuple itself.

    Beside the arguments of the model's constructor there are those of the training:
    "optimizer", "learning_rate", "schedule", "warmup", "weight_decay", "layer_decay",
    "ema", "clip" and "accumulate" as in `training.optimizer`, "batch_size" and "epochs".

    Args:
        model: Class of a task, such as `models.BagOfNgramsClassifier`.
        preset: For a task on an encoder, what `from_preset` begins with; then
            "sequence_length" is an argument, too. None: the encoder of a
            `TextClassifier` is made from nothing, out of "num_layers", "hidden_dim",
            "num_heads", "feedforward_ratio", "encoder_dropout", "activation" and
            "normalize_first", and its "tokenizer" ("wordpiece", "bpe", or a trained
            one) learns "vocabulary_size" tokens.
        corpus: What such tokenizers learn from, as `fit` takes it. None: what `search`
            trains on.
        defaults: Whether arguments that are not named vary, too, in the ranges that
            are usual for this model. False: they stay as the constructor and `compile`
            have them.
        **ranges: Arguments by name.

    Returns:
        `Space`.

    Raises:
        ValueError: an argument that neither model nor training has, or one that is
            missing.

    Example:

    >>> from keras_nlp_lite import models
    >>> words = space(
    ...     models.BagOfNgramsClassifier,
    ...     num_classes=2,
    ...     defaults=False,
    ...     ngrams=[1, 2, 3],
    ...     learning_rate=(1e-4, 1e-2, "log"),
    ... )
    >>> print(words)
    BagOfNgramsClassifier
      num_classes    2
      ngrams         1 | 2 | 3
      learning_rate  0.0001 to 0.01 log
    """
    if not (inspect.isclass(model) and issubclass(model, Task)):
        raise ValueError(
            f"`model` must be the class of a task. Received: {model!r}. Try "
            "models.BagOfNgramsClassifier, or give `search` a function of KerasTuner's "
            "HyperParameters that returns a compiled model."
        )
    if preset is not None and not hasattr(model, "from_preset"):
        raise ValueError(
            f"`preset` is for tasks on an encoder. Received: preset={preset!r} with "
            f"{model.__name__}, which begins from nothing. Try models.TextClassifier, or "
            "no preset."
        )
    known, first = known_ranges(model, preset)
    taken = _arguments(model, preset)
    for name in ranges:
        check_choice("argument", name, [*taken, *TRAINING])
    said = {**(known if defaults else {}), **ranges}
    if _from_nothing(model, preset):
        needed = (*ENCODER, "sequence_length")
        said = {**{name: first[name] for name in needed}, **said}
    found = {}
    for name, value in said.items():
        if name in _NO_CHOICE and not isinstance(value, Fixed):
            value = Fixed(value)
        found[name] = as_range(name, value, first.get(name), name in _WHOLE)
    missing = [name for name in _needed(model) if name not in found]
    if missing and not (preset and missing == ["backbone"]):
        raise ValueError(
            f"{model.__name__} needs {', '.join(missing)}. Received: "
            f"{', '.join(ranges) or 'nothing'}. Try space(..., {missing[0]}=...)."
        )
    made = Space(model, found, preset=preset, corpus=corpus)
    if preset is None and not _from_nothing(model, preset):
        check_values(made, [name for name in ranges if name not in _NO_CHOICE])
    return made


class Space(keras_tuner.HyperModel):
    """A KerasTuner hypermodel, as `space` makes it.

    Attributes:
        model: Class of the task.
        ranges: dict from an argument to its `Fixed`, `Choice` or `Range`, for whoever
            wants to look, or to change one.
    """

    def __init__(self, model, ranges, *, preset=None, corpus=None):
        super().__init__(name=model.__name__)
        self.model = model
        self.ranges = dict(ranges)
        self.preset = None if preset is None else os.fspath(preset)
        self._corpus = corpus
        self.vocabularies = Vocabularies(corpus)

    def learn_from(self, corpus):
        """Says what tokenizers of this search learn from, unless the space does."""
        if self._corpus is None:
            self.vocabularies = Vocabularies(corpus)

    def varied(self):
        """dict of the arguments that differ between trials, with their ranges."""
        return {k: r for k, r in self.ranges.items() if not isinstance(r, Fixed)}

    def declare_hyperparameters(self, hp):
        self.settings(hp)

    def settings(self, hp):
        """dict of a trial's arguments, fixed ones among them.

        Args:
            hp: keras_tuner.HyperParameters.
        """
        return {name: r.declare(name, hp) for name, r in self.ranges.items()}

    def build(self, hp):
        """A compiled model, without a vocabulary where one is still to be learned."""
        return self.make(self.settings(hp))

    def make(self, settings):
        """A compiled model, of a trial's arguments.

        Args:
            settings: dict, as the method of that name gives it.
        """
        training = {n: settings[n] for n in TRAINING if n in settings}
        rest = {n: value for n, value in settings.items() if n not in TRAINING}
        return self.compiled(self._model(rest), training)

    def compiled(self, model, training):
        """The model, compiled with what a trial says of its training."""
        chosen = {n: training[n] for n in OPTIMIZATION if training.get(n) is not None}
        if not chosen:
            model.compile()
            return model
        own = model.auto_optimizer()
        name = chosen.pop("optimizer", "adamw" if _decays(own) else "adam")
        rate = chosen.pop("learning_rate", None)
        if rate is None:
            rate = getattr(model, "peak_learning_rate", None) or own.learning_rate
        if not _decays(
            own
        ):  # which takes the same rate from the first step to the last
            chosen = {"schedule": "constant", "warmup": 0.0, **chosen}
        model.compile(make_optimizer(name, float(rate), **chosen))
        return model

    def fit(self, hp, model, x, y=None, *, epochs=None, **kwargs):
        """Adapts the model, where it has something to adapt, and trains it.

        Args:
            hp: keras_tuner.HyperParameters.
            model: What `build` gave.
            x, y: Training data as `fit` takes it.
            epochs: Where the space does not say it.
            **kwargs: As in `fit`.

        Returns:
            keras.callbacks.History.
        """
        settings = self.settings(hp)
        return fit_task(
            model,
            x,
            y,
            batch_size=settings.get("batch_size"),
            epochs=hp.values.get("tuner/epochs", settings.get("epochs", epochs or 1)),
            **kwargs,
        )

    def _model(self, settings):
        if self.preset is not None:
            return self._of_preset(settings)
        if _from_nothing(self.model, None):
            return scratch_classifier(self.vocabularies, settings)
        return self.model(**settings)

    def _of_preset(self, settings):
        length = settings.pop("sequence_length", None)
        if length is not None:
            settings["preprocessor"] = self.model.preprocessor_cls.from_preset(
                self.preset, sequence_length=length
            )
        return self.model.from_preset(self.preset, **settings)

    def __str__(self):
        width = max(map(len, self.ranges), default=0)
        lines = [f"  {name:<{width}}  {r}" for name, r in self.ranges.items()]
        return "\n".join([self.model.__name__, *lines])


def fit_task(model, x, y=None, *, batch_size=None, **kwargs):
    """`fit`, after `adapt` where that is due, in batches of a trial's own size.

    Args:
        model: A compiled Keras model.
        x, y: As `fit` takes them.
        batch_size: None leaves batches as they come.
        **kwargs: As in `fit`.

    Returns:
        keras.callbacks.History.
    """
    if isinstance(x, tuple) and y is None:
        x, y = x
    if batch_size is not None and isinstance(x, tf.data.Dataset):
        x, batch_size = _rebatched(x, batch_size), None
    preprocessor = getattr(model, "preprocessor", None)
    if isinstance(model, Task) and not getattr(preprocessor, "is_adapted", True):
        model.adapt(x if y is None else (x, y))
    size = {} if batch_size is None else {"batch_size": batch_size}
    return model.fit(x, y, **size, **kwargs)


def as_hypermodel(model):
    """A `Space`, a HyperModel, or a function from HyperParameters to a model, as one.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(model, keras_tuner.HyperModel):
        return model
    if not callable(model) or isinstance(model, keras.Model) or inspect.isclass(model):
        raise ValueError(
            "`space` must be what `tuning.space(...)` gives, a KerasTuner HyperModel, or "
            "a function of HyperParameters that returns a compiled model. Received: "
            f"{model!r}."
        )
    return FunctionSpace(model)


class FunctionSpace(keras_tuner.HyperModel):
    """A function from HyperParameters to a compiled model, as a hypermodel."""

    def __init__(self, function):
        super().__init__(name=getattr(function, "__name__", "model"))
        self._function = function

    def build(self, hp):
        return self._function(hp)

    def fit(self, hp, model, x, y=None, *, epochs=None, **kwargs):
        epochs = hp.values.get("tuner/epochs", epochs or 1)
        return fit_task(model, x, y, epochs=epochs, **kwargs)


def declared(hypermodel):
    """keras_tuner.HyperParameters with all that a hypermodel may ask for.

    One that is a function is called, and once more for each condition that it sets, to
    see what it asks for.
    """
    known = keras_tuner.HyperParameters()
    if isinstance(hypermodel, Space):
        hypermodel.declare_hyperparameters(known)
        return known
    met, waiting = [], [[]]
    while waiting:
        conditions = waiting.pop()
        hp = known.copy()
        for condition in conditions:
            hp.values[condition.name] = condition.values[0]
        hp.ensure_active_values()
        hypermodel.build(hp)
        known.merge(hp, overwrite=False)
        met += [conditions, *hp.active_scopes]
        waiting += [scope for scope in hp.inactive_scopes if scope not in met]
    return known


def fixed_settings(hypermodel):
    """dict of str, the arguments that no trial changes."""
    if not isinstance(hypermodel, Space):
        return {}
    plain = (str, int, float, bool, list, tuple, type(None))
    found = {"preset": hypermodel.preset} if hypermodel.preset else {}
    for name, r in hypermodel.ranges.items():
        if isinstance(r, Fixed):
            value = r.value
            found[name] = str(
                value if isinstance(value, plain) else type(value).__name__
            )
    return found


_rows = weakref.WeakKeyDictionary()  # of Datasets that were rebatched: counted once


def _rebatched(dataset, batch_size):
    """The dataset in batches of another size; who asks it is told what it was told."""
    if getattr(dataset, "batch_size", None) == batch_size:
        return dataset
    batches = dataset.rebatch(batch_size)
    if int(dataset.cardinality()) >= 0:
        # TensorFlow forgets how long it is, and a schedule would not know its end.
        if dataset not in _rows:
            _rows[dataset] = int(dataset.reduce(np.int64(0), _count))
        count = -(-_rows[dataset] // batch_size)
        batches = batches.apply(tf.data.experimental.assert_cardinality(count))
    if hasattr(dataset, "batch_size"):
        batches.batch_size = batch_size
    batches.class_names = getattr(dataset, "class_names", None)
    return batches


def _count(rows, *batch):
    first = tf.nest.flatten(batch)[0]
    return rows + tf.shape(first, out_type=tf.int64)[0]


def _from_nothing(model, preset):
    return preset is None and model is models.TextClassifier


def _arguments(model, preset):
    """list of the arguments of a constructor, and of those above it that it passes on."""
    found = []
    for kind in model.__mro__:
        for p in inspect.signature(kind.__init__).parameters.values():
            if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY):
                found.append(p.name)
        if kind is Task:
            break
    if _from_nothing(model, preset):
        found += [*ENCODER, "sequence_length"]
    elif preset is not None:
        found.append("sequence_length")
    unwanted = {"self", "settings", "encoder", "head"} - set(
        inspect.signature(model.__init__).parameters
    )
    own = [name for name in dict.fromkeys(found) if name not in unwanted]
    return [name for name in own if name != "self"] + ["name", "dtype"]


def _needed(model):
    """list of the arguments that a constructor cannot do without."""
    return [
        p.name
        for p in list(inspect.signature(model.__init__).parameters.values())[1:]
        if p.default is p.empty
        and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        and not (p.name == "backbone" and model is models.TextClassifier)
    ]


def _decays(optimizer):
    return bool(optimizer.weight_decay)
