"""An optimizer for fine-tuning and training, in one line."""

from keras_nlp_lite import optimizers
from keras_nlp_lite.checks import check_choice, check_positive, check_positive_int

OPTIMIZERS = {
    "adamw": optimizers.AdamW,
    "adam": optimizers.Adam,
    "sgd": optimizers.SGD,
    "adafactor": optimizers.Adafactor,
    "lion": optimizers.Lion,
    "lamb": optimizers.Lamb,
    "muon": optimizers.Muon,
}

# Those that are mostly used with weight decay.
_DECAYING = ("adamw", "lion", "lamb", "muon")


def optimizer(
    name,
    learning_rate,
    *,
    schedule="linear",
    warmup=0.06,
    steps=None,
    weight_decay=None,
    layer_decay=None,
    ema=None,
    clip=None,
    accumulate=None,
    shard=False,
    **kwargs,
):
    """A Keras optimizer to pass to `compile`.

    Whatever the optimizer, one replica and several make the same steps: gradients are
    summed over replicas before they are clipped.

    Args:
        name: "adamw", "adam", "sgd", "adafactor", "lion", "lamb" or "muon".
        learning_rate: The highest rate.
        schedule: What the rate does after it rose: "linear", "cosine", "inverse_sqrt",
            "constant" or "wsd" (`PlannedSchedule`).
        warmup: float in [0, 1), share of the steps in which the rate rises; or int,
            how many steps.
        steps: int, how many steps training takes. None: a task's `fit` says it. Plain
            `keras.Model.fit` does not, and without it "linear", "cosine" and "wsd" stay
            at their highest rate.
        weight_decay: Share of a weight, times the rate, that a step takes away. Norms
            and biases keep theirs. None: 0.01 in "adamw", "lion", "lamb" and "muon", 0
            in the others.
        layer_decay: What the rate is multiplied by for each layer further from the
            output: heads learn at the full rate, embeddings at the lowest. 0.8 to 0.95
            suit fine-tuning. None: all learn alike.
        ema: How much of the weights' moving average a step keeps, such as 0.999. `fit`
            sets the weights to the average when it ends; until then, validation sees
            the weights themselves, unless `keras.callbacks.SwapEMAWeights` stands among
            the callbacks. None: no average.
        clip: The largest norm that all gradients together may have; larger ones are
            shortened. None: any.
        accumulate: int, how many batches make one step, by the mean of their gradients;
            `warmup` and `steps` count steps. Batches left over at the end wait for the
            next `fit`. None: each batch is a step.
        shard: Whether each replica of a MirroredStrategy keeps the optimizer's state of
            its share of the weights alone (ZeRO, stage 1): with N replicas, 1/N of the
            memory. Saved files hold whole arrays, for any number of replicas.
        **kwargs: What the Keras optimizer of that name takes, such as `beta_2`.

    Returns:
        keras.optimizers.Optimizer.

    Raises:
        ValueError: a name is unknown, or a number out of its range.

    Example:

    >>> import keras
    >>> model = keras.Sequential([keras.layers.Dense(1)])
    >>> model.compile(optimizer("adamw", 5e-5, warmup=10, steps=100, clip=1.0), "mse")
    """
    check_choice("name", name, tuple(OPTIMIZERS))
    check_positive("learning_rate", learning_rate)
    check_positive_int("accumulate", accumulate, none_ok=True)
    if clip is not None:
        check_positive("clip", clip)
    accumulate = accumulate or 1
    if weight_decay is None:
        weight_decay = 0.01 if name in _DECAYING else 0.0
    if name == "muon":  # which makes Adam's steps on some weights
        kwargs.setdefault("adam_weight_decay", weight_decay)
    if ema is not None:
        kwargs = {"use_ema": True, "ema_momentum": ema, **kwargs}
    return OPTIMIZERS[name](
        optimizers.PlannedSchedule(
            float(learning_rate), schedule, warmup, steps, accumulate=accumulate
        ),
        weight_decay=weight_decay,
        global_clipnorm=clip,
        gradient_accumulation_steps=accumulate if accumulate > 1 else None,
        layer_decay=layer_decay,
        spare_norms=True,
        shard=shard,
        **kwargs,
    )
