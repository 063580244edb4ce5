"""A task on disk: saved whole, or exported as one graph."""

import os

import keras

from keras_nlp_lite.workers import replacing_by_chief


class Keeping:
    """A mixin for `Task` that writes it: whole, by one of several workers, or not at all."""

    def save(self, filepath, overwrite=True, **kwargs):
        """Keras's `save`; an interrupted one leaves the old file as it was.

        Several workers call it together: the chief's file stays.
        """
        if "://" in str(filepath):  # no disk of ours: Keras's own way
            super().save(filepath, overwrite=overwrite, **kwargs)
            return
        if not overwrite and os.path.exists(filepath):
            raise ValueError(
                f"There is a file already. Received: filepath={str(filepath)!r}. "
                "Try overwrite=True."
            )
        if not str(filepath).endswith(".keras"):
            raise ValueError(
                "A model with its vocabulary goes into a .keras file. Received: "
                f"filepath={str(filepath)!r}."
            )
        with replacing_by_chief(filepath, self.distribute_strategy) as temporary:
            super().save(temporary, **kwargs)

    def export(self, filepath, format="tf_saved_model", verbose=None, **kwargs):
        """Writes one graph, from raw input to `answers`, for serving.

        `served = tf.saved_model.load(filepath)`, then `served.serve(strings)`, needs
        nothing of this package. An interrupted export leaves the old one as it was.
        Several workers call it together: the chief's folder stays.

        Args:
            filepath: Folder to write.
            format: "tf_saved_model"; for others the model without its preprocessor is
                exported as Keras does it.
            verbose: Whether Keras says what it wrote.
            **kwargs: For other formats, the rest of `keras.Model.export`.

        Raises:
            ValueError: there is something at `filepath` that is no export.
        """
        self._ensure_built()
        if format != "tf_saved_model" or self.preprocessor is None:
            super().export(filepath, format=format, verbose=verbose, **kwargs)
            return
        if kwargs:
            raise ValueError(
                "An export of strings takes no further arguments. Received: "
                f"{', '.join(kwargs)}."
            )

        held = os.listdir(filepath) if os.path.isdir(filepath) else [filepath]
        if os.path.exists(filepath) and "saved_model.pb" not in held:
            raise ValueError(
                "An export replaces the folder that it is written to. Received: "
                f"filepath={str(filepath)!r}, which holds no export. Try a new folder."
            )

        signature = self.serving_signature()
        signature = signature if isinstance(signature, list) else [signature]

        archive = keras.export.ExportArchive()
        for resource in self.serving_resources():
            archive.track(resource)
        archive.add_endpoint("serve", self.serve, signature)
        with replacing_by_chief(filepath, self.distribute_strategy) as temporary:
            archive.write_out(temporary, verbose=bool(verbose))
