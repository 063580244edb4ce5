"""How weights change: optimizers that know each weight, and rates that know the end."""

from keras_nlp_lite.optimizers.adam_w import AdamW
from keras_nlp_lite.optimizers.extended import SGD, Adafactor, Adam, Lamb, Lion, Muon
from keras_nlp_lite.optimizers.layer_depths import layer_depths
from keras_nlp_lite.optimizers.loss_scale import LossScaleOptimizer
from keras_nlp_lite.optimizers.planned_decay import PlannedDecay
from keras_nlp_lite.optimizers.planned_schedule import PlannedSchedule

__all__ = [
    "SGD",
    "Adafactor",
    "Adam",
    "AdamW",
    "Lamb",
    "Lion",
    "LossScaleOptimizer",
    "Muon",
    "PlannedDecay",
    "PlannedSchedule",
    "layer_depths",
]
