import pytest
import tensorflow as tf

from keras_nlp_lite.data import read_directory, write_sample_reviews
from keras_nlp_lite.data.row_slices import row_slices

ROWS, BATCH = 23, 7  # batches of 7, 7, 7 and 2 rows


def every_kind(numbers):
    """A batch with parts of each kind, all of which tell the rows' numbers."""
    column = tf.cast(numbers, tf.int64)
    where = tf.stack([tf.range(tf.size(column), dtype=tf.int64), column % 5], axis=1)
    shape = tf.stack([tf.size(column, tf.int64), 5])
    return {
        "dense": tf.stack([column, -column], axis=1),
        "text": tf.strings.as_string(column),
        "ragged": tf.RaggedTensor.from_row_lengths(
            tf.repeat(column, column % 3), column % 3
        ),
        "sparse": tf.SparseTensor(where, column, shape),
    }


def plain(batch):
    return [
        part.to_list()
        if isinstance(part, tf.RaggedTensor)
        else tf.sparse.to_dense(part).numpy().tolist()
        if isinstance(part, tf.SparseTensor)
        else part.numpy().tolist()
        for part in tf.nest.flatten(batch)
    ]


def batches():
    return tf.data.Dataset.range(ROWS).batch(BATCH).map(every_kind)


@pytest.mark.parametrize("parts", [1, 2, 3, 8])
def test_the_slices_of_a_batch_are_the_batch(parts):
    whole = [plain(batch) for batch in batches()]
    slices = [plain(batch) for batch in row_slices(batches(), range(parts), parts)]
    assert len(slices) == len(whole) * parts
    for i, batch in enumerate(whole):
        mine = slices[i * parts : (i + 1) * parts]
        for kind, rows in enumerate(batch):
            assert [row for part in mine for row in part[kind]] == rows
        sizes = [len(part[0]) for part in mine]
        assert max(sizes) - min(sizes) <= 1


def test_a_worker_gets_its_slices_alone():
    both = [plain(batch) for batch in row_slices(batches(), range(2), 2)]
    second = row_slices(batches(), [1], 2)
    assert [plain(batch) for batch in second] == both[1::2]
    assert int(second.cardinality()) == len(both) // 2


def test_of_data_without_end_or_of_unknown_length_nothing_is_claimed():
    endless = row_slices(batches().repeat(), [0], 2)
    assert int(endless.cardinality()) == tf.data.INFINITE_CARDINALITY
    unknown = row_slices(batches().filter(lambda _: True), [0], 2)
    assert len(list(unknown)) == 4


def test_a_reader_reads_the_rows_of_its_slices_alone(tmp_path):
    write_sample_reviews(tmp_path, examples=ROWS - 1)
    files = sorted((tmp_path / "train").rglob("*.txt"))

    def read():
        return read_directory(tmp_path / "train", batch_size=BATCH, seed=5)

    # Each worker makes the dataset; one order for all, of all epochs.
    whole, workers = read(), [read().sliced([part], 2) for part in range(2)]
    for _ in range(2):
        wanted = [text for texts, _ in whole for text in texts.numpy()]
        slices = zip(*([texts.numpy() for texts, _ in worker] for worker in workers))
        assert [text for pair in slices for texts in pair for text in texts] == wanted

    mine = {text for texts, _ in read().sliced([0], 2) for text in texts.numpy()}
    first, second = read().sliced([0], 2), read().sliced([1], 2)
    for file in files:
        if file.read_bytes() not in mine:
            file.unlink()
    assert {text for texts, _ in first for text in texts.numpy()} == mine
    with pytest.raises(tf.errors.OpError, match="No such file"):
        list(second)
