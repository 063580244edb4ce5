"""Marks that tests in several rooms share."""

import pytest

from keras_nlp_lite.ops import attention_implementation, library

where_ops_are_compiled = pytest.mark.skipif(
    library.load() is None, reason="the compiled ops are not there"
)

where_padding_is_dropped = pytest.mark.skipif(
    not attention_implementation().startswith("fused: cpu"),
    reason="without the compiled op, and on GPUs, no padding is dropped",
)
