"""How weights change: AdamW in less time, and learning rates that know the end."""

from keras_nlp_lite.optimizers.adam_w import AdamW
from keras_nlp_lite.optimizers.planned_decay import PlannedDecay

__all__ = ["AdamW", "PlannedDecay"]
