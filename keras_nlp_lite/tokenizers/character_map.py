"""Replacing characters by strings, each by its own, in one pass over the text."""

import flatbuffers
import numpy as np
import tensorflow as tf

# A value of the trie: where in the pool of strings its own starts, and its length.
_LENGTH_BITS = 6
_IS_REPLACED = 1 << 30
# A cell of the trie: the byte that leads to it, by which a cell that belongs to another
# node is known as such, and the way to its own node's base. Or a value.
_PAGE = 256
_HAS_VALUE = 1 << 8
_OFFSET_SHIFT = 10
_IS_VALUE = 1 << 31
_MOST_PAGES = 1 << 13  # an offset has 21 bits


class CharacterMap:
    """Replaces characters of UTF-8 strings, wherever they stand.

    It runs on the op of TensorFlow Text's `FastBertNormalizer`, with another table: the
    op looks each character up in a trie of bytes.

    Shapes: N strings, L bytes of a replaced string, different in each.

    Args:
        characters: A dict from code point to the str that takes its place, of at most
            63 bytes; "" removes the character. What is not in it stays.
        keep_invalid: Whether bytes that are no UTF-8 stay; otherwise they are removed.

    Raises:
        ValueError: a string is too long.

    Example:

    >>> shorter = CharacterMap({ord("ß"): "ss", ord("!"): ""})
    >>> shorter(tf.constant(["Gruß!"])).numpy()
    array([b'Gruss'], dtype=object)
    >>> shorter.with_offsets(tf.constant(["ß!a"]))[1].to_list()
    [[0, 0, 3, 4]]
    """

    def __init__(self, characters, keep_invalid=True):
        import tensorflow_text  # here, since it takes a second to import

        strings, pool = _pool(dict.fromkeys(["", *characters.values()]))
        values = np.zeros(0x110000, np.int64)  # 0: the character stays
        values[list(characters)] = [strings[new] for new in characters.values()]
        broken = 0 if keep_invalid else strings[""]
        trie = _Trie().cells(values, broken)
        model = _as_model(trie, int(values[0]), pool)
        self._normalizer = tensorflow_text.FastBertNormalizer(model_buffer=model)

    def __call__(self, text):
        """string [N], with the characters replaced."""
        return self._normalizer.normalize(text)

    def with_offsets(self, text):
        """The same, and where each byte comes from.

        Args:
            text: string [N].

        Returns:
            A tuple of string [N], and ragged int32 [N, L + 1]: for each byte of a
            replaced string the place of the character that it took, in bytes of the
            string as it was; of a character that stayed, each byte's own place. The
            last is the length of the string as it was.
        """
        return self._normalizer.normalize_with_offsets(text)


def _as_model(trie, zero, strings):
    """A uint8 tensor: the op's table, in its file format."""
    builder = flatbuffers.Builder(trie.nbytes + len(strings) + 64)
    trie = builder.CreateNumpyVector(trie)
    strings = builder.CreateNumpyVector(np.frombuffer(strings, np.uint8))
    # Field 0 is a note on how the table came about; the op does not read it. Field 2 is
    # the value of the character NUL, with which no string of darts-clone's can start.
    builder.StartObject(4)
    builder.PrependUOffsetTRelativeSlot(1, trie, 0)
    builder.PrependInt32Slot(2, zero, 0)
    builder.PrependUOffsetTRelativeSlot(3, strings, 0)
    builder.Finish(builder.EndObject())
    return tf.constant(np.frombuffer(builder.Output(), np.uint8))


def _pool(strings):
    """The numbers that stand for strings in the trie, and the strings in one."""
    values, pool = {}, bytearray()
    for string in strings:
        data = string.encode()
        if len(data) >> _LENGTH_BITS:
            raise ValueError(
                "What takes a character's place must be of at most 63 bytes. Received: "
                f"{string!r}, of {len(data)}."
            )
        values[string] = _IS_REPLACED | len(pool) << _LENGTH_BITS | len(data)
        pool += data
    return values, bytes(pool)


class _Trie:
    """The bytes of UTF-8 and a value for each character, as darts-clone lays them out.

    A node has a base. There lies its value; its child of some byte has the cell at the
    base XOR this byte, which tells the child's base. Nodes that are alike are one.
    """

    def __init__(self):
        self._cells = np.zeros(_MOST_PAGES * _PAGE, np.uint32)
        self._bases = {}

    def cells(self, values, broken):
        """The trie.

        Args:
            values: int64 [0x110000], a value for each code point; 0 for none.
            broken: The value of bytes that are no character, or 0.

        Returns:
            uint32 [cells].
        """
        # A node is twice its base, and 1 more if it has a value; 0 is no node.
        unique, which = np.unique(np.append(values, broken), return_inverse=True)
        bases = _value_bases(len(unique))
        self._cells[bases] = _IS_VALUE | unique
        nodes = np.where(unique, 2 * bases + 1, 0)[which]
        ones, broken_byte = nodes[:-1], nodes[-1]
        twos = self._nodes_above(ones, broken)
        shorter, twos[:32] = twos[:32].copy(), 0  # to these lead two bytes, not three
        threes = self._nodes_above(twos, broken)
        root = np.full(_PAGE, broken_byte)
        root[:0x80] = ones[:0x80]
        root[0xC2:0xE0] = shorter[2:]
        root[0xE0:0xF0] = threes[:16]
        threes[:16] = 0
        root[0xF0:0xF5] = self._nodes_above(np.pad(threes, [0, 48]), broken)
        self._cells[0] = _PAGE << _OFFSET_SHIFT
        self._set_children(_PAGE, np.arange(1, _PAGE), root[1:])
        pages = 2 + max(len(self._bases) // 2 + 1, len(unique) // 126 + 1)
        return self._cells[: pages * _PAGE]

    def _nodes_above(self, children, value):
        """For each 64 nodes, one for each byte that goes on with a character, the node
        that they are children of."""
        return np.array([self._node(row, value) for row in children.reshape(-1, 64)])

    def _node(self, children, value):
        if not value and not children.any():
            return 0
        base = self._bases.get(children.tobytes())
        if base is None:
            base = self._bases[children.tobytes()] = _base(len(self._bases))
            self._set_children(base, np.arange(0x80, 0xC0), children)
            if value:
                self._cells[base] = _IS_VALUE | value
        return 2 * base + bool(value)

    def _set_children(self, base, bytes, children):
        way = (base ^ bytes ^ children >> 1) << _OFFSET_SHIFT
        cells = way | (children & 1) * _HAS_VALUE | bytes
        self._cells[base ^ bytes] = np.where(children, cells, 0)


# Behind the root's page and that of its children, a page has room for two nodes: their
# children lie in its second half, since bytes that go on with a character are 0x80 to
# 0xBF; and in its first half, between the two bases, are cells for values.


def _base(i):
    return (2 + i // 2) * _PAGE + i % 2 * 0x40


def _value_bases(count):
    page, i = np.divmod(np.arange(count), 126)
    return (2 + page) * _PAGE + 1 + i + i // 63
