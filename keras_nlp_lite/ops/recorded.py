"""Calls of our functions as functional models record and save them."""

import keras


class Recorded(keras.Operation):
    """A function's call on symbolic tensors.

    Args:
        **options: Those of its arguments that are no tensors; of these, `seed` may be a
            `keras.random.SeedGenerator`, which is saved with the model.
    """

    def __init__(self, *, name=None, **options):
        super().__init__(name=name)
        self.options = options

    def get_config(self):
        options = dict(self.options)
        if isinstance(options.get("seed"), keras.random.SeedGenerator):
            options["seed"] = keras.saving.serialize_keras_object(options["seed"])
        return {"name": self.name, **options}

    @classmethod
    def from_config(cls, config):
        if isinstance(config.get("seed"), dict):
            seed = keras.saving.deserialize_keras_object(config["seed"])
            config = {**config, "seed": seed}
        return cls(**config)
