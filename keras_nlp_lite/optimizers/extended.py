"""Keras's optimizers, each with a rate for each weight and equal steps on replicas."""

import keras

from keras_nlp_lite.optimizers.per_weight import PerWeight


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class Adam(PerWeight, keras.optimizers.Adam):
    """`keras.optimizers.Adam` with what `PerWeight` adds."""

    is_elementwise = True


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class SGD(PerWeight, keras.optimizers.SGD):
    """`keras.optimizers.SGD` with what `PerWeight` adds."""

    is_elementwise = True


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class Lion(PerWeight, keras.optimizers.Lion):
    """`keras.optimizers.Lion` with what `PerWeight` adds."""

    is_elementwise = True


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class Adafactor(PerWeight, keras.optimizers.Adafactor):
    """`keras.optimizers.Adafactor` with what `PerWeight` adds."""


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class Lamb(PerWeight, keras.optimizers.Lamb):
    """`keras.optimizers.Lamb` with what `PerWeight` adds."""


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class Muon(PerWeight, keras.optimizers.Muon):
    """`keras.optimizers.Muon` with what `PerWeight` adds.

    It makes Adam's steps on the layer behind a model's blocks, too, which Keras wants
    to be told by name.
    """

    def _should_use_adamw(self, variable):
        is_output = self._known.depths[self._var_key(variable)] == 0
        return is_output or super()._should_use_adamw(variable)

    def _decay_of(self, index):
        by_adam = self.adam_velocities[index] is not None
        return self.adam_weight_decay if by_adam else self.weight_decay

    def get_config(self):
        # Keras's leaves it out.
        return {**super().get_config(), "rms_rate": self.rms_rate}
