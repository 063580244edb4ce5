"""Order, split and batches, the same for all readers; shown on read_directory."""

import keras
import pytest
import tensorflow as tf

from keras_nlp_lite.data import read_csv, read_directory, read_lines
from tests.data.reading import pairs, texts, write_reviews

COUNT = 101  # a class; prime, and together more than one read's worth


@pytest.fixture(scope="module")
def reviews(tmp_path_factory):
    return write_reviews(tmp_path_factory.mktemp("reviews"), COUNT)


EVERYTHING = {
    (f"{c} {i}", k) for k, c in enumerate(("neg", "pos")) for i in range(COUNT)
}


@pytest.mark.parametrize("batch_size", [1, 7, 32, 128, 150, 1000])
def test_every_text_comes_once_with_its_own_label(reviews, batch_size):
    dataset = read_directory(reviews, batch_size=batch_size)
    for _ in range(2):
        examples = pairs(dataset)
        assert len(examples) == 2 * COUNT
        assert set(examples) == EVERYTHING


def test_all_batches_but_the_last_are_full(reviews):
    sizes = [len(labels) for _, labels in read_directory(reviews, batch_size=50)]
    assert sizes == [50, 50, 50, 50, 2]


def test_the_same_seed_gives_the_same_epochs(reviews):
    one = read_directory(reviews, seed=7)
    two = read_directory(reviews, seed=7)
    assert [pairs(one) for _ in range(3)] == [pairs(two) for _ in range(3)]


def test_a_seed_holds_whatever_the_global_one_is(reviews):
    orders = []
    for global_seed in (1, 2):
        keras.utils.set_random_seed(global_seed)
        orders.append(pairs(read_directory(reviews, seed=7)))
    assert orders[0] == orders[1]


def test_another_seed_gives_another_order(reviews):
    assert pairs(read_directory(reviews, seed=7)) != pairs(
        read_directory(reviews, seed=8)
    )


def test_without_a_seed_the_global_one_decides(reviews):
    def epochs():
        keras.utils.set_random_seed(3)
        dataset = read_directory(reviews)
        return [pairs(dataset) for _ in range(2)]

    assert epochs() == epochs()
    assert pairs(read_directory(reviews)) != pairs(read_directory(reviews))


def test_each_epoch_has_another_order(reviews):
    dataset = read_directory(reviews, seed=7)
    first, second = pairs(dataset), pairs(dataset)
    assert first != second
    repeated = pairs(dataset.repeat(2))
    assert repeated[: 2 * COUNT] != repeated[2 * COUNT :]
    assert set(repeated[: 2 * COUNT]) == EVERYTHING


def test_an_epoch_mixes_the_whole_corpus(reviews):
    labels = [label for _, label in pairs(read_directory(reviews, seed=7))]
    for part in (labels[:COUNT], labels[COUNT:]):
        assert 0.3 < sum(part) / COUNT < 0.7


def test_without_shuffle_the_order_is_that_of_the_files(reviews):
    dataset = read_directory(reviews, shuffle=False)
    names = sorted(f"{i}.txt" for i in range(COUNT))
    wanted = [
        (f"{c} {name[:-4]}", k) for k, c in enumerate(("neg", "pos")) for name in names
    ]
    assert pairs(dataset) == pairs(dataset) == wanted


@pytest.mark.parametrize("shuffle", [True, False])
def test_the_parts_of_a_split_share_nothing_and_miss_nothing(reviews, shuffle):
    train, validation = read_directory(
        reviews, validation_split=0.2, seed=1, shuffle=shuffle
    )
    held_out = pairs(validation)
    assert len(held_out) == round(0.2 * 2 * COUNT)
    assert len(train) == 6 and len(validation) == 2
    for _ in range(2):
        examples = pairs(train)
        assert set(examples).isdisjoint(held_out)
        assert {*examples, *held_out} == EVERYTHING
        assert len(examples) + len(held_out) == 2 * COUNT


def test_the_validation_part_is_the_same_every_time_and_mixed(reviews):
    _, one = read_directory(reviews, validation_split=0.2, seed=1)
    _, two = read_directory(reviews, validation_split=0.2, seed=1)
    assert pairs(one) == pairs(one) == pairs(two)
    labels = [label for _, label in pairs(one)]
    assert labels != sorted(labels) and 0 < sum(labels[:20]) < 20


def test_another_seed_holds_out_others(reviews):
    parts = [
        pairs(read_directory(reviews, validation_split=0.2, seed=seed)[1])
        for seed in (1, 2)
    ]
    assert set(parts[0]) != set(parts[1])


def test_without_a_seed_the_split_is_still_stable(reviews):
    keras.utils.set_random_seed(1)
    _, one = read_directory(reviews, validation_split=0.2)
    keras.utils.set_random_seed(2)
    _, two = read_directory(reviews, validation_split=0.2)
    assert pairs(one) == pairs(two)


def test_split_and_order_are_the_same_on_every_machine(reviews):
    # Pasted on purpose: other numbers here would mix up what earlier runs held out.
    train, validation = read_directory(reviews, validation_split=0.2, seed=5)
    assert pairs(validation)[:4] == [
        ("neg 84", 0),
        ("pos 79", 1),
        ("pos 83", 1),
        ("pos 53", 1),
    ]
    assert pairs(train)[:4] == [
        ("pos 57", 1),
        ("neg 2", 0),
        ("pos 40", 1),
        ("neg 11", 0),
    ]


def test_both_parts_know_the_class_names(reviews):
    for part in read_directory(reviews, validation_split=0.5):
        assert part.class_names == ["neg", "pos"]


def test_texts_without_labels_keep_the_order_of_their_file(tmp_path):
    path = tmp_path / "texts.csv"
    path.write_text("text\n" + "\n".join(f"row {i}" for i in range(300)) + "\n")
    assert texts(read_csv(path, text="text")) == [f"row {i}" for i in range(300)]
    train, validation = read_csv(path, text="text", validation_split=0.1)
    numbers = [int(text.split()[1]) for text in texts(validation)]
    assert numbers == sorted(numbers) and len(texts(train)) == 270


def test_a_dataset_outlives_its_reader_and_can_be_mapped(reviews):
    lengths = read_directory(reviews).map(
        lambda text, label: (tf.strings.length(text), label), tf.data.AUTOTUNE
    )
    assert sum(len(y) for _, y in lengths) == 2 * COUNT


def test_an_epoch_ends_when_its_last_batch_is_out(reviews):
    assert read_directory(reviews).options().autotune.enabled is False


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("batch_size", 0),
        ("batch_size", 2.5),
        ("shuffle", 1000),
        ("seed", -1),
        ("seed", 2**32),
        ("seed", "one"),
        ("validation_split", 0),
        ("validation_split", 1),
        ("validation_split", 20),
        ("validation_split", True),
    ],
)
def test_a_senseless_argument_is_refused_with_its_value(reviews, argument, value):
    with pytest.raises(ValueError, match=f"`{argument}` must.*{argument}={value!r}"):
        read_directory(reviews, **{argument: value})


def test_a_split_that_leaves_nothing_is_refused(tmp_path):
    (tmp_path / "two.txt").write_text("one\ntwo\n")
    with pytest.raises(
        ValueError, match=r"validation_split=0\.1 of 2 .* 2 to train and 0 to validate"
    ):
        read_lines(tmp_path / "two.txt", validation_split=0.1)
