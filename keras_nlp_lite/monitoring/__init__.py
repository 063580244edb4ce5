"""Callbacks that watch a run."""

from keras_nlp_lite.monitoring.tensor_board import TensorBoard

__all__ = ["TensorBoard"]
