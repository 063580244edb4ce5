"""Training: optimizers, what people expect of callbacks, precision, devices, machines."""

from keras_nlp_lite.training.best_checkpoint import BestCheckpoint
from keras_nlp_lite.training.compare_precisions import compare_precisions
from keras_nlp_lite.training.distribute import distribute
from keras_nlp_lite.training.gradual_unfreezing import GradualUnfreezing
from keras_nlp_lite.training.learning_rate_finder import (
    LearningRateCurve,
    find_learning_rate,
)
from keras_nlp_lite.training.non_finite import find_non_finite
from keras_nlp_lite.training.one_batch import overfit_one_batch
from keras_nlp_lite.training.optimizer import optimizer
from keras_nlp_lite.training.precision import precision, set_precision
from keras_nlp_lite.training.resumable_run import ResumableRun
from keras_nlp_lite.training.sharpness_aware import sharpness_aware
from keras_nlp_lite.training.stop_on_nan import StopOnNaN
from keras_nlp_lite.training.throughput import Throughput
from keras_nlp_lite.workers import is_chief

__all__ = [
    "BestCheckpoint",
    "GradualUnfreezing",
    "LearningRateCurve",
    "ResumableRun",
    "StopOnNaN",
    "Throughput",
    "compare_precisions",
    "distribute",
    "find_learning_rate",
    "find_non_finite",
    "is_chief",
    "optimizer",
    "overfit_one_batch",
    "precision",
    "set_precision",
    "sharpness_aware",
]
