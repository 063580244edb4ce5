"""What tests of ops need where TensorFlow sees a GPU."""

import pytest
import tensorflow as tf


@pytest.fixture(autouse=True)
def whole_floats():
    """On GPUs, too, products of float32 are as exact as the tests expect."""
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    yield
    tf.config.experimental.enable_tensor_float_32_execution(before)


@pytest.fixture
def on_cpu():
    with tf.device("CPU:0"):
        yield
