"""A small text model, and what a run of it wrote: shared by this room's tests."""

import io

import keras
import numpy as np
import tensorflow as tf
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from keras_nlp_lite.monitoring import TensorBoard

REVIEWS = ["good", "bad", "good bad", "plot", "good plot", "bad plot"]
LABELS = [1, 0, 1, 0, 0, 1]  # with TextModel's weights the last four are wrong


class TextModel(keras.Model):
    """Strings in, probabilities out, with what task models offer to callbacks.

    Its weights are set by hand, so its predictions are known: with `score` the sum of
    2 for "good", -4 for "bad" and 0.5 for "plot", class 1 has sigmoid(score).
    """

    def __init__(self, activation="softmax", columns=2):
        super().__init__()
        self.multi_label = False
        self.class_names = None
        self.training_examples = None
        self.validation_source = None
        self.vectorize = keras.layers.TextVectorization(
            vocabulary=["good", "bad", "plot"], output_mode="multi_hot"
        )
        self.score = keras.layers.Dense(columns, activation=activation)
        self.score.build((None, 4))
        kernel = np.zeros((4, columns))
        kernel[1:, -1] = [2.0, -4.0, 0.5]  # column 0 of the bag is the unknown
        self.score.set_weights([kernel, np.zeros(columns)])
        self.predicted_batches = []

    def call(self, texts):
        return self.score(self.vectorize(texts))

    def predict_on_batch(self, x):
        self.predicted_batches.append(len(x))
        return super().predict_on_batch(x)

    def fit(self, x, validation_data=None, **kwargs):
        self.validation_source = validation_data
        kwargs = {"verbose": 0, "shuffle": False, **kwargs}
        return super().fit(x, validation_data=validation_data, **kwargs)


def compiled(model, learning_rate=0.0, **kwargs):
    """The model, ready to fit; with a learning rate of 0 it stays as it is."""
    settings = {
        "optimizer": keras.optimizers.SGD(learning_rate),
        "loss": "sparse_categorical_crossentropy",
        "metrics": ["accuracy"],
        "run_eagerly": True,  # a few tiny steps take less time than tracing one
    }
    model.compile(**{**settings, **kwargs}, jit_compile=False)
    return model


def dataset(texts, labels, batch=2):
    return tf.data.Dataset.from_tensor_slices((list(texts), list(labels))).batch(batch)


TRAIN = VALIDATION = dataset(REVIEWS, LABELS)  # 3 batches


def fit(log_dir, model=None, epochs=1, validation_data=VALIDATION, **arguments):
    """Fits a model under the callback and reads what it wrote."""
    model = model or compiled(TextModel())
    callback = TensorBoard(log_dir, **arguments)
    model.fit(
        TRAIN, validation_data=validation_data, epochs=epochs, callbacks=[callback]
    )
    return Run(log_dir)


def scores_of(texts):
    """The formula of TextModel, once more: P(class 1) of each text."""
    weight = {"good": 2.0, "bad": -4.0, "plot": 0.5}
    score = [sum(weight.get(word, 0) for word in set(text.split())) for text in texts]
    return 1 / (1 + np.exp(-np.array(score)))


class Run:
    """What the event files of one run say."""

    def __init__(self, log_dir):
        self.parts = {}
        for part in ("train", "validation"):
            if (log_dir / part).exists():
                events = EventAccumulator(str(log_dir / part), {"tensors": 0})
                self.parts[part] = events.Reload()

    def tags(self, part):
        return set(self.parts[part].Tags()["tensors"]) if part in self.parts else set()

    def scalars(self, part, tag):
        """{step: value}."""
        return {step: float(x) for step, x in self._arrays(part, tag).items()}

    def texts(self, tag="misclassified"):
        """{step: Markdown}."""
        arrays = self._arrays("validation", tag)
        return {step: x.ravel()[0].decode() for step, x in arrays.items()}

    def rows(self, step=0):
        """The misclassified table's rows, each a list of its four cells."""
        lines = self.texts()[step].splitlines()[4:]
        return [line.strip("| ").split(" | ") for line in lines]

    def images(self, tag="confusion_matrix"):
        """{step: uint8 [H, W, 3]}."""
        arrays = self._arrays("validation", tag)
        return {
            step: np.array(Image.open(io.BytesIO(x[2]))) for step, x in arrays.items()
        }

    def _arrays(self, part, tag):
        events = self.parts[part].Tensors(tag)
        return {event.step: tf.make_ndarray(event.tensor_proto) for event in events}
