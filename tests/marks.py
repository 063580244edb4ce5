"""Marks that tests in several rooms share."""

import pytest

from keras_nlp_lite.ops import attention_implementation

where_padding_is_dropped = pytest.mark.skipif(
    not attention_implementation().startswith("fused"),
    reason="without the compiled op no padding is dropped",
)
