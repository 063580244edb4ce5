"""Collects garbage seldom: tracing leaves many objects that live on, and looking through
those of TensorFlow and Keras again and again takes a twentieth of the tests' time."""

import gc

import keras  # noqa: F401

gc.collect()
gc.freeze()
gc.set_threshold(50_000, 20, 50)
