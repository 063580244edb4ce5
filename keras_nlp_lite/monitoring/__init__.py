"""Callbacks that watch a run."""

from keras_nlp_lite.monitoring.generation_sample import GenerationSample
from keras_nlp_lite.monitoring.tensor_board import TensorBoard

__all__ = ["GenerationSample", "TensorBoard"]
