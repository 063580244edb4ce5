"""What every backbone owes: its padding costs and changes nothing, parts of it can be
trained, it is what it was after saving, and it runs under every policy."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.backbones import (
    BertBackbone,
    DistilBertBackbone,
    ModernBertBackbone,
    RobertaBackbone,
    sizes,
)
from keras_nlp_lite.ops import portable_ops
from tests.marks import where_padding_is_dropped

FAMILIES = [BertBackbone, DistilBertBackbone, RobertaBackbone, ModernBertBackbone]
B, T, V, D = 5, 13, 31, 24
SMALL = {
    "vocabulary_size": V,
    "num_layers": 3,
    "num_heads": 3,
    "hidden_dim": D,
    "intermediate_dim": 40,
    "max_sequence_length": 17,
}


def made(family, **settings):
    keras.utils.set_random_seed(0)
    backbone = family(**{**SMALL, **settings})
    rng = np.random.default_rng(3)
    for weight in backbone.trainable_weights:  # larger than at the start of training
        noise = rng.normal(scale=0.1, size=weight.shape)
        weight.assign(keras.ops.cast(weight, "float32") + noise)
    return backbone


def inputs(backbone, mask):
    rng = np.random.default_rng(1)
    ids = {
        "token_ids": rng.integers(1, V, mask.shape),
        "segment_ids": rng.integers(0, 2, mask.shape),
        "padding_mask": mask,
    }
    return {name: tf.constant(ids[name], "int32") for name in backbone.input}


def features(backbone, x, training=False):
    outputs = backbone(x, training=training)
    return outputs["sequence_output"] if isinstance(outputs, dict) else outputs


def masks(windowed=False):
    columns = np.arange(T)
    rng = np.random.default_rng(2)
    behind = columns < np.array([T, 1, 7, 4, 0])[:, None]  # one row is empty
    before = columns >= np.array([0, T - 1, 7, 4, 2])[:, None]
    return {
        "none": np.ones((B, T)),
        "behind": behind,
        "before": before,
        "all": np.zeros((B, T)),
        **({} if windowed else {"anywhere": rng.random((B, T)) < 0.6}),
    }


CASES = [
    (family, name)
    for family in FAMILIES
    for name in masks(windowed=family is ModernBertBackbone)
]


# Padding


@where_padding_is_dropped
@pytest.mark.parametrize(("family", "name"), CASES)
def test_dropping_padding_changes_no_real_token(family, name):
    mask = masks()[name]
    free, padded = made(family), made(family, padding_free=False)
    x = inputs(free, mask)
    kept = mask.astype(bool)
    got, wanted = features(free, x).numpy(), features(padded, x).numpy()
    np.testing.assert_allclose(got[kept], wanted[kept], rtol=1e-4, atol=1e-5)
    if name != "all":
        assert not got[~kept].any()
    assert np.isfinite(got).all()
    assert np.isfinite(wanted).all()


@where_padding_is_dropped
@pytest.mark.parametrize("family", FAMILIES)
def test_dropping_padding_changes_no_loss_and_no_gradient(family):
    mask = masks()["behind"]
    results = []
    for padding_free in (True, False):
        backbone = made(family, padding_free=padding_free)
        x = inputs(backbone, mask)
        target = np.random.default_rng(4).normal(size=(B, T, D))
        with tf.GradientTape() as tape:
            error = (features(backbone, x) - target) ** 2 * mask[..., None]
            loss = tf.reduce_sum(error) / mask.sum()
        gradients = tape.gradient(loss, [w.value for w in backbone.trainable_weights])
        results.append((loss, gradients))
    (loss, gradients), (other_loss, others) = results
    np.testing.assert_allclose(loss, other_loss, rtol=1e-5)
    for x, y in zip(gradients, others, strict=True):
        assert (x is None) == (y is None)
        if x is not None:
            x, y = (tf.convert_to_tensor(g).numpy() for g in (x, y))
            np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_of_nothing_but_padding_trains(family):
    backbone = made(family)
    x = inputs(backbone, masks()["all"])

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(backbone.first_features(x, training=True) ** 2)
        wanted = [w.value for w in backbone.trainable_weights]
        return loss, [g for g in tape.gradient(loss, wanted) if g is not None]

    loss, gradients = step()
    assert np.isfinite(loss)
    assert gradients
    assert all(np.isfinite(tf.convert_to_tensor(g)).all() for g in gradients)


@where_padding_is_dropped
@pytest.mark.parametrize("family", FAMILIES)
def test_the_blocks_see_no_padding(family):
    backbone = made(family)
    seen = []
    for block in backbone.transformer_layers:
        block.call = spied(block.call, seen)
    mask = masks()["behind"]
    backbone(inputs(backbone, mask))
    assert seen == [(1, int(mask.sum()), D)] * 3


def spied(call, seen):
    def spy(x, *args, **kwargs):
        seen.append(tuple(x.shape))
        return call(x, *args, **kwargs)

    return spy


@pytest.mark.parametrize("family", FAMILIES)
def test_under_xla_rows_keep_their_padding(family):
    backbone = made(family)
    x = inputs(backbone, masks()["behind"])
    compiled = tf.function(lambda x: features(backbone, x), jit_compile=True)
    kept = masks()["behind"]
    np.testing.assert_allclose(
        compiled(x).numpy()[kept], features(backbone, x).numpy()[kept], atol=1e-4
    )


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_step_trains_every_weight(family, jit_compile):
    backbone = made(family)
    outputs = backbone.output
    if isinstance(outputs, dict):
        outputs = outputs["pooled_output"]
    else:
        outputs = outputs[:, 0]
    model = keras.Model(backbone.input, keras.layers.Dense(1)(outputs))
    model.compile("sgd", "mse", jit_compile=jit_compile)
    before = [w.numpy().copy() for w in backbone.trainable_weights]
    loss = model.train_on_batch(inputs(backbone, masks()["behind"]), np.ones((B, 1)))
    assert np.isfinite(loss)
    still = [
        w.path
        for w, x in zip(backbone.trainable_weights, before)
        if (w.numpy() == x).all()
    ]
    # The softmax over keys does not change with what all keys have in common.
    assert all("key/bias" in path or "key_dense/bias" in path for path in still), still


@pytest.mark.parametrize("padding_free", [True, False])
@pytest.mark.parametrize("family", FAMILIES)
def test_first_tokens_by_themselves_are_what_they_are_among_all(family, padding_free):
    backbone = made(family, padding_free=padding_free)
    x = inputs(backbone, masks()["behind"])

    def both():
        outputs = backbone(x)
        if isinstance(outputs, dict):
            return backbone.first_features(x), outputs["pooled_output"]
        return backbone.first_features(x), outputs[:, 0]

    real = masks()["behind"].any(1)
    for got, wanted in (both(), tf.function(both)()):
        assert got.shape == (B, D)
        np.testing.assert_allclose(got.numpy()[real], wanted.numpy()[real], atol=1e-5)
        assert np.isfinite(got).all()


def test_the_first_tokens_model_adds_no_weight_and_no_layer():
    backbone = made(BertBackbone)
    names = [layer.name for layer in backbone.layers]
    assert len(set(names)) == len(names)
    assert len(backbone.weights) == 3 * 16 + 3 + 2 + 2


@pytest.mark.parametrize("family", FAMILIES)
def test_what_it_does_not_take_changes_nothing(family):
    backbone = made(family)
    x = inputs(backbone, masks()["behind"])
    more = {"aaa": x["token_ids"], **x, "zzz": 0 * x["token_ids"]}
    np.testing.assert_array_equal(features(backbone, more), features(backbone, x))


def test_an_input_that_is_missing_is_named():
    x = inputs(made(RobertaBackbone), masks()["none"])
    with pytest.raises(ValueError, match='Missing data for input "segment_ids"'):
        made(BertBackbone)(x)


# Several texts in a row

NUMBERED = {
    "full": [
        [1, 1, 1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
        [1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3],
    ],
    "padded": [
        [1, 1, 1, 2, 2, 2, 2, 2, 2, 0, 0, 0, 0],
        [0] * T,  # a row without a text
        [0, 0, 0, 1, 1, 2, 2, 0, 0, 3, 3, 3, 3],
        [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0],
    ],
    "gaps": [[1, 0, 1, 1, 0, 2, 0, 0, 2, 2, 3, 0, 3]],
}
DROPPED = pytest.param("dropped", marks=where_padding_is_dropped)
WAYS = [DROPPED, "kept", "formula"]


def narrow(family, **settings):
    """A backbone of two blocks, whose windows are narrower than the texts."""
    window = {"local_window": 2} if family is ModernBertBackbone else {}
    return made(family, num_layers=2, **settings, **window)


def run(way, family, function):
    """What a function of a backbone gives, where it goes this way."""
    backbone = narrow(family, padding_free=way != "kept")
    if way == "formula":
        with portable_ops():
            return function(backbone)
    if way == "compiled by XLA":
        return tf.function(lambda: function(backbone), jit_compile=True)()
    return function(backbone)


def apart(numbers, x):
    """[texts, T, ...], each text of an array of rows [B, T, ...] in a row to itself,
    moved to where it begins, which for a row's first text is the row's beginning."""
    texts = []
    for row, number in enumerate(numbers.max(axis=1)):
        for text in range(1, number + 1):
            places = np.flatnonzero(numbers[row] == text)
            start = 0 if text == 1 else places[0]
            found = x[row, start : places[-1] + 1]
            behind = [(0, T - len(found)), *[(0, 0)] * (x.ndim - 2)]
            texts.append(np.pad(found, behind))
    return np.array(texts)


def inputs_apart(x, numbers):
    """The backbone's inputs with each text in a row to itself."""
    x = {name: apart(numbers, part.numpy()) for name, part in x.items()}
    return {**x, "padding_mask": (x["padding_mask"] > 0).astype("int32")}


def check_features(way, family, numbers):
    """Holds what a text gets in a row to what it gets alone."""
    plain = narrow(family, padding_free=False)
    x = inputs(plain, numbers)
    got = run(way, family, lambda backbone: features(backbone, x)).numpy()
    alone = inputs_apart(x, numbers)
    real = alone["padding_mask"] > 0
    wanted = features(plain, alone).numpy()[real]
    np.testing.assert_allclose(apart(numbers, got)[real], wanted, rtol=1e-5, atol=1e-5)


def check_gradients(way, family, numbers):
    """Holds the gradient of a loss over rows to that of its texts, each alone."""
    plain = narrow(family, padding_free=False)
    x = inputs(plain, numbers)
    target = np.random.default_rng(4).normal(size=(*numbers.shape, D))
    target = target.astype("float32") * (numbers > 0)[..., None]

    def gradients(backbone, x, target):
        weights = backbone.trainable_weights
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(features(backbone, x) * target)
        found = tape.gradient(loss, [w.value for w in weights])
        # Without one: BERT's layer for pooling.
        return [tf.convert_to_tensor(g) for g in found if g is not None]

    got = run(way, family, lambda backbone: gradients(backbone, x, target))
    wanted = gradients(plain, inputs_apart(x, numbers), apart(numbers, target))
    for one, other in zip(got, wanted, strict=True):
        # Float32 sums in another order: against the largest of each weight's.
        scale = 1 + np.abs(other).max()
        np.testing.assert_allclose(one / scale, other / scale, atol=1e-5)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("family", FAMILIES)
def test_each_text_of_a_row_is_read_as_if_it_were_alone(family, way):
    for name, numbers in NUMBERED.items():
        # Windows count tokens where padding is dropped, columns where it is not.
        if (family, name) != (ModernBertBackbone, "gaps"):
            check_features(way, family, np.array(numbers))


@pytest.mark.parametrize("way", [DROPPED, "kept"])
@pytest.mark.parametrize("family", FAMILIES)
def test_texts_of_a_row_have_the_gradients_that_they_have_alone(family, way):
    check_gradients(way, family, np.array(NUMBERED["padded"]))


@pytest.mark.parametrize("family", FAMILIES)
def test_under_xla_texts_of_a_row_are_read_as_if_they_were_alone(family):
    check_features("compiled by XLA", family, np.array(NUMBERED["padded"]))


def test_under_xla_texts_of_a_row_have_the_gradients_that_they_have_alone():
    numbers = np.array(NUMBERED["padded"])
    check_gradients("compiled by XLA", ModernBertBackbone, numbers)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_token_changes_no_other_text(family, way):
    numbers = np.array(NUMBERED["padded"])
    x = inputs(made(family), numbers)
    changed = (numbers == 2) & (np.arange(T) % 2 == 0)
    other = {**x, "token_ids": (x["token_ids"] + tf.cast(changed, tf.int32)) % V}
    before, after = run(
        way,
        family,
        lambda backbone: (features(backbone, x), features(backbone, other)),
    )
    same = (before.numpy() == after.numpy()).all(-1)
    assert same[(numbers > 0) & (numbers != 2)].all()
    assert not same[numbers == 2].any()


# Precision


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "bfloat16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_half_precision_stays_near_full(family, policy):
    x = inputs(made(family), masks()["behind"])
    full = features(made(family), x).numpy()
    half = features(made(family, dtype=policy), x)
    assert half.dtype.name in policy
    kept = masks()["behind"]
    error = np.abs(half.numpy().astype("float32") - full)[kept]
    assert error.mean() < (0.02 if "bfloat" in policy else 0.003)


@pytest.mark.parametrize("family", FAMILIES)
def test_quantized_weights_stay_near_full_ones(family):
    backbone = made(family)
    x = inputs(backbone, masks()["behind"])
    full = features(backbone, x).numpy()
    backbone.quantize("int8")
    kept = masks()["behind"]
    error = np.abs(features(backbone, x).numpy() - full)[kept]
    assert 0 < error.mean() < 0.05 * np.abs(full[kept]).mean()


# Training a part


def trained_names(backbone):
    return {w.path for w in backbone.trainable_weights}


@pytest.mark.parametrize("family", FAMILIES)
def test_freeze_keeps_the_first_blocks(family):
    backbone = made(family)
    backbone.freeze(up_to=2)
    names = trained_names(backbone)
    assert any("transformer_layer_2" in name for name in names)
    assert not any("embedding" in name for name in names)
    for i in (0, 1):
        assert not any(f"transformer_layer_{i}/" in name for name in names)
    backbone.freeze()
    assert not trained_names(backbone)


def test_freeze_counts_from_the_end_too():
    backbone = made(BertBackbone)
    backbone.freeze(up_to=-1)
    names = trained_names(backbone)
    assert {name.split("/")[0] for name in names} == {
        "transformer_layer_2",
        "pooled_dense",
    }


def test_freeze_refuses_more_blocks_than_there_are():
    with pytest.raises(ValueError, match="there are 3. Received: up_to=4"):
        made(BertBackbone).freeze(up_to=4)


@pytest.mark.parametrize("family", FAMILIES)
def test_freeze_ends_what_froze_all(family):
    backbone = made(family)
    backbone.trainable = False
    backbone.freeze(up_to=2)
    assert any("transformer_layer_2" in name for name in trained_names(backbone))


@pytest.mark.parametrize("family", FAMILIES)
def test_lora_trains_little_and_changes_nothing_at_first(family):
    backbone = made(family)
    x = inputs(backbone, masks()["behind"])
    before = features(backbone, x).numpy()
    backbone.enable_lora(2)
    np.testing.assert_allclose(features(backbone, x), before, atol=1e-5)
    shapes = [tuple(w.shape) for w in backbone.trainable_weights]
    # Query and value of three blocks: [D, heads, 2] and [2, D / heads], and biases.
    biases = [] if family is ModernBertBackbone else [(3, 8)] * 6
    assert sorted(shapes) == sorted([(D, 3, 2), (2, 8)] * 6 + biases)


def test_lora_refuses_names_that_no_layer_has():
    with pytest.raises(ValueError, match="nonesuch"):
        made(BertBackbone).enable_lora(2, ["nonesuch"])


# Memory for time


@pytest.mark.parametrize("family", FAMILIES)
def test_remat_changes_no_gradient(family):
    gradients = []
    for remat in (False, True):
        backbone = made(family, remat=remat, dropout=0.3)
        keras.utils.set_random_seed(5)
        x = inputs(backbone, masks()["behind"])
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(features(backbone, x, training=True) ** 2)
        wanted = [w.value for w in backbone.trainable_weights]
        gradients.append(tape.gradient(loss, wanted))
    for x, y in zip(*gradients, strict=True):
        if y is not None:
            x, y = (tf.convert_to_tensor(g).numpy() for g in (x, y))
            np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-4)


_PEAK = """
import re, sys
import tensorflow as tf
from keras_nlp_lite.backbones import BertBackbone

def peak():  # of this program; ru_maxrss begins with that of who started it
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])

backbone = BertBackbone(90, num_layers=8, num_heads=4, hidden_dim=128,
                        intermediate_dim=512, remat=sys.argv[1] == "remat")

@tf.function(reduce_retracing=True)
def step(ids):
    x = {"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": ids}
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(backbone(x, training=True)["sequence_output"] ** 2)
    weights = [w.value for w in backbone.trainable_weights]
    return [tf.reduce_sum(g) for g in tape.gradient(loss, weights) if g is not None]

step.get_concrete_function(tf.TensorSpec([None, None], tf.int32))
step(tf.ones((1, 256), tf.int32))
before = peak()
step(tf.ones((16, 256), tf.int32))
print(peak() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_remat_keeps_a_fraction_of_the_memory():
    """Of what 16 rows of 256 tokens take beyond what one row takes, in processes of
    their own, since a process's peak never falls."""

    def peak(how):
        command = [sys.executable, "-c", _PEAK, how]
        out = subprocess.run(command, capture_output=True, text=True, check=True)
        return int(out.stdout.split()[-1])

    kept, again = peak("keep"), peak("remat")
    assert 0 < again < kept / 2, (again, kept)


# Keeping


def test_an_export_needs_nothing_of_this_package(tmp_path):
    backbone = made(BertBackbone)
    backbone.export(tmp_path / "export", verbose=False)
    graph = tf.saved_model.load(tmp_path / "export").signatures["serving_default"].graph
    functions = graph.as_graph_def(add_shapes=False).library.function
    ops = {node.op for function in functions for node in function.node_def}
    assert ops
    assert not [op for op in ops if op.startswith("Knl")]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_backbone_gives_the_same(family, tmp_path):
    backbone = made(family, padding_free=False)
    x = inputs(backbone, masks()["behind"])
    backbone.save(tmp_path / "backbone.keras")
    again = keras.saving.load_model(tmp_path / "backbone.keras")
    assert type(again) is family
    np.testing.assert_array_equal(features(again, x), features(backbone, x))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_config_makes_the_same_backbone(family):
    backbone = made(family, dtype="mixed_bfloat16", dropout=0.3)
    again = family.from_config(backbone.get_config())
    assert again.get_config() == backbone.get_config()
    assert [w.shape for w in again.weights] == [w.shape for w in backbone.weights]


def test_a_block_has_sixteen_weights_in_keras_hubs_order():
    block = made(BertBackbone).transformer_layers[0]
    assert len(block.trainable_weights) == 16
    shapes = [w.shape for w in block.trainable_weights]
    heads = [(D, 3, 8), (3, 8)]
    wanted = [*heads, *heads, *heads, (3, 8, D), (D,), (D,), (D,), (D,), (D,)]
    assert shapes == [*wanted, (D, 40), (40,), (40, D), (D,)]


def test_sizes_are_those_of_the_small_berts():
    """Turc et al., arXiv:1908.08962, table 1, in millions."""
    counts = {"tiny": 4.4, "mini": 11.2, "small": 28.8}
    for name, millions in counts.items():
        backbone = BertBackbone(vocabulary_size=30_522, **sizes[name])
        assert abs(backbone.count_params() / 1e6 - millions) < 0.06, name


# Other vocabularies


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("size", [V + 3, V - 2])
def test_another_vocabulary_keeps_the_vectors_of_known_ids(family, size):
    backbone = made(family)
    resized = backbone.resize_vocabulary(size)
    assert resized.vocabulary_size == size and type(resized) is family
    table = keras.ops.convert_to_numpy(resized.token_embedding.embeddings)
    known = keras.ops.convert_to_numpy(backbone.token_embedding.embeddings)
    assert table.shape == (size, D)
    for row in table[V:]:
        np.testing.assert_allclose(row, known.mean(0), atol=1e-7)
    x = inputs(backbone, masks()["behind"])
    x["token_ids"] %= V - 2
    np.testing.assert_array_equal(features(resized, x), features(backbone, x))


def test_a_backbone_with_other_weights_is_not_resized():
    backbone = made(BertBackbone)
    backbone.enable_lora(2)
    with pytest.raises(ValueError, match="Resize before `enable_lora`"):
        backbone.resize_vocabulary(V + 1)
