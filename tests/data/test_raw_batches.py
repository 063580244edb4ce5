import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.data.raw_batches import raw_batches, split_arrays

TEXTS = [f"text {i}" for i in range(11)]
LABELS = list(range(11))


class Batches(keras.utils.PyDataset):
    def __init__(self):
        super().__init__()
        self.ended = 0

    def __len__(self):
        return 3

    def __getitem__(self, i):
        return TEXTS[4 * i : 4 * i + 4], np.array(LABELS[4 * i : 4 * i + 4])

    def on_epoch_end(self):
        self.ended += 1


def pairs(dataset):
    return [
        (text.decode(), int(label))
        for texts, labels in dataset.as_numpy_iterator()
        for text, label in zip(texts, labels)
    ]


def generator():
    yield from (Batches()[i] for i in range(3))


@pytest.mark.parametrize(
    "source",
    [
        (TEXTS, LABELS),
        (tuple(TEXTS), np.array(LABELS)),
        (np.array(TEXTS), LABELS),
        (np.array(TEXTS, object), LABELS),
        (tf.constant(TEXTS), tf.constant(LABELS)),
        (tf.data.Dataset.from_tensor_slices((TEXTS, LABELS)).batch(3),),
        (Batches(),),
        (generator(),),
    ],
    ids=[
        "lists",
        "tuple",
        "str array",
        "objects",
        "tensors",
        "Dataset",
        "PyDataset",
        "gen",
    ],
)
def test_whatever_comes_gives_the_same_pairs(source):
    dataset = raw_batches(*source)
    text, label = dataset.element_spec
    assert text.dtype == tf.string and text.shape.rank == label.shape.rank == 1
    assert pairs(dataset) == list(zip(TEXTS, LABELS))


def test_texts_without_labels_are_no_tuple():
    batch = next(iter(raw_batches(TEXTS, batch_size=4)))
    assert batch.numpy().tolist() == [t.encode() for t in TEXTS[:4]]


def test_shuffling_keeps_pairs_together_and_changes_every_pass():
    dataset = raw_batches(TEXTS, LABELS, batch_size=4, shuffle=True)
    one, two = pairs(dataset), pairs(dataset)
    assert sorted(one) == sorted(two) == sorted(zip(TEXTS, LABELS))
    assert one != two


def test_a_py_dataset_hears_of_each_epoch_and_has_a_length():
    batches = Batches()
    dataset = raw_batches(batches)
    pairs(dataset), pairs(dataset)
    assert batches.ended == 1  # before the second pass
    assert int(dataset.cardinality()) == 3


@pytest.mark.parametrize("kind", ["lists", "ragged", "generator"])
def test_texts_as_words_are_ragged_where_they_differ_in_length(kind):
    words, labels = [["a", "b\udcff"], [], ["c"]], [["X", "Y"], [], ["Z"]]
    pair = words, labels
    if kind != "lists":
        words[0][1] = "b"
        pair = tuple(map(tf.ragged.constant, pair))
    dataset = raw_batches(iter([pair])) if kind == "generator" else raw_batches(*pair)
    x, y = next(iter(dataset))
    last = b"b\xff" if kind == "lists" else b"b"
    assert x.to_list() == [[b"a", last], [], [b"c"]]
    assert y.to_list() == [[b"X", b"Y"], [], [b"Z"]]


def test_weights_come_third():
    batch = next(iter(raw_batches(TEXTS, LABELS, [0.5] * 11)))
    assert len(batch) == 3 and batch[2].dtype == tf.float32


@pytest.mark.parametrize(
    "arguments, said",
    [
        (("one text",), r"Texts come several at a time.*Try \['one text'\]"),
        ((TEXTS, LABELS[:3]), "equally many. Received: 11, 3"),
        ((None,), "There are no texts"),
        ((object(),), "Received: object, which makes no array"),
        ((Batches(), LABELS), "belong inside the Batches"),
        ((iter([]),), "The generator gave no batch"),
        ((TEXTS, None, [1.0] * 11), "`sample_weight` weighs labels"),
    ],
)
def test_bad_data_is_refused_in_a_sentence(arguments, said):
    with pytest.raises(ValueError, match=said):
        raw_batches(*arguments)


@pytest.mark.parametrize(
    "texts", [(TEXTS, TEXTS[::-1]), (np.array(TEXTS), tf.constant(TEXTS[::-1]))]
)
def test_a_tuple_of_lists_is_texts_that_belong_together(texts):
    dataset = raw_batches(texts, LABELS, batch_size=4)
    (first, second), label = next(iter(dataset))
    assert [t.numpy().decode() for t in (first[1], second[1])] == ["text 1", "text 9"]
    assert label.numpy().tolist() == [0, 1, 2, 3]
    alone = raw_batches(texts, batch_size=4).element_spec
    assert len(alone) == 1 and len(alone[0]) == 2  # or the second would be labels


def test_texts_that_belong_together_are_split_together():
    (train, labels, _), (held_out, their_labels) = split_arrays(
        0.3, (TEXTS, TEXTS[::-1]), LABELS, None
    )
    assert [len(x) for x in (*train, labels)] == [8] * 3
    assert [x[0].numpy() for x in held_out] == [b"text 8", b"text 2"]
    assert their_labels.numpy().tolist() == [8, 9, 10]
