"""What the tasks share that answer for tokens, of which not all count."""

import keras

from keras_nlp_lite.tasks.encoder_task import EncoderTask
from keras_nlp_lite.tasks.logits import loss_on_logits


class TokenTask(EncoderTask):
    """An encoder task whose examples give each answer a weight of its own.

    The loss of a batch is the mean over what has weight, however much padding there is,
    and metrics count nothing else.

    Args:
        backbone, preprocessor, **kwargs: As in `EncoderTask`.
    """

    @property
    def validation_source(self):
        """None: what monitoring would show are texts with one label each."""
        return

    def auto_loss(self):
        return keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, reduction="mean_with_sample_weight"
        )

    def auto_metrics(self):
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]

    def compile(
        self,
        optimizer="auto",
        loss="auto",
        metrics="auto",
        *,
        weighted_metrics=None,
        **kwargs,
    ):
        """As `Task.compile`, but all metrics are weighted.

        Args:
            optimizer, loss, **kwargs: As in `Task.compile`; the model gives logits.
            metrics: "auto", or any Keras value.
            weighted_metrics: As in Keras. Where given, `metrics` count padding, too.
        """
        auto = isinstance(metrics, str) and metrics == "auto"
        if weighted_metrics is None:
            weighted_metrics = self.auto_metrics() if auto else metrics
            metrics = None
        super().compile(
            optimizer,
            keras.tree.map_structure(loss_on_logits, loss),
            None if auto else metrics,
            weighted_metrics=weighted_metrics,
            **kwargs,
        )

    def make_predict_function(self, force=False):
        # Answers are as many as there are words or masks in a batch: XLA would compile
        # for every batch anew.
        compiles, self._jit_compile = self._jit_compile, False
        try:
            return super().make_predict_function(force)
        finally:
            self._jit_compile = compiles
