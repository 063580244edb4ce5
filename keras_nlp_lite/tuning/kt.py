"""KerasTuner, or a sentence that says where to get it."""

try:
    import keras_tuner
except ImportError as error:
    raise ImportError(
        "Tuning takes KerasTuner, which is not installed. Try "
        "`pip install keras-nlp-lite[tune]`."
    ) from error

__all__ = ["keras_tuner"]
