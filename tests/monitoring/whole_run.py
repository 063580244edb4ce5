"""A run with every option, which two files of tests look at."""

import keras

from keras_nlp_lite import models
from keras_nlp_lite.monitoring import TensorBoard

TEXTS = ["good", "not good", "bad", "not bad", "a plot", "a good plot", "a bad plot"]
LABELS = [1, 0, 0, 1, 0, 1, 0]
WORDS = ["a", "good", "bad", "not", "plot"]
EPOCHS = 2
STEPS = 4  # an epoch


def train(log_dir, **options):
    """A small Transformer on seven texts, eight steps of two texts."""
    keras.utils.set_random_seed(1)
    model = models.TransformerClassifier(
        2,
        max_tokens=9,
        sequence_length=6,
        embedding_dim=4,
        intermediate_dim=5,
        num_layers=2,
        class_names=["pan", "rave"],
    )
    model.adapt(TEXTS)
    watch = TensorBoard(
        log_dir,
        update_freq=2,
        flops=True,
        health=2,
        projector=True,
        attention_texts=["not good", "a bad plot"],
        hparams={"layers": 2, "mode": "fine"},
        write_graph=True,
        **options,
    )
    model.fit(
        TEXTS,
        LABELS,
        batch_size=2,
        validation_data=(TEXTS, LABELS),
        epochs=EPOCHS,
        verbose=0,
        callbacks=[watch],
    )
    return model
