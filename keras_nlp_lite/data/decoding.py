"""Bytes of any encoding to the UTF-8 that TensorFlow's string ops expect."""

import codecs

# A byte order mark says how the text is written; it is no part of the text.
BYTE_ORDER_MARK = codecs.BOM_UTF8

# Bytes that pass these codecs are UTF-8 already.
_UTF_8 = ("utf-8", "utf-8-sig", "ascii")


def check_encoding(encoding):
    """Refuses an encoding that Python cannot decode.

    Args:
        encoding: A codec's name, such as "utf-8", "latin-1" or "utf-16".

    Returns:
        str, the codec's own name, the same for every spelling of it; "utf-8" for
        "utf-8-sig" too, since a leading byte order mark is dropped anyway.

    Raises:
        ValueError: Python has no such text codec.
    """
    try:
        name = codecs.lookup(encoding).name
        b"text".decode(name)
    except (LookupError, TypeError):
        raise ValueError(
            "`encoding` must name a text encoding that Python knows. "
            f"Received: encoding={encoding!r}. Try 'utf-8', 'latin-1' or 'utf-16'."
        ) from None
    except UnicodeError:
        pass  # a codec of wider units, such as utf-32: known, and these were not its
    return "utf-8" if name == "utf-8-sig" else name


def is_utf8(encoding):
    """Whether bytes that decode with this codec are UTF-8 as they stand."""
    return encoding in _UTF_8


def to_utf8(raw, encoding, path):
    """A whole file's text as UTF-8, checked, without a leading byte order mark.

    Args:
        raw: bytes, the whole file.
        encoding: The codec's name, from `check_encoding`.
        path: The file, for the error.

    Returns:
        bytes.

    Raises:
        ValueError: Some bytes are no text in this encoding; the sentence names file,
            line, column and byte.
    """
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise undecodable(raw, error, path, encoding) from None
    if not is_utf8(encoding):
        raw = text.encode("utf-8", "surrogatepass")
    return raw.removeprefix(BYTE_ORDER_MARK)


def undecodable(raw, error, path, encoding, *, line=1, offset=0):
    """The sentence for bytes that are no text.

    Args:
        raw: bytes, what was decoded.
        error: The UnicodeDecodeError; its positions count bytes in `raw`.
        path: The file.
        encoding: The codec's name.
        line: Line of the file, counted from 1, in which `raw` begins.
        offset: Byte of the file, counted from 0, at which `raw` begins.

    Returns:
        ValueError, to raise.
    """
    before = raw[: error.start].decode(encoding, "replace")
    line += before.count("\n")
    column = len(before) - (before.rfind("\n") + 1) + 1
    retry = "encoding='latin-1'" if encoding == "utf-8" else "encoding='utf-8'"
    return ValueError(
        f"{path!r} must be {encoding} text. Received: byte 0x{raw[error.start]:02X} in "
        f"line {line}, column {column} (byte {offset + error.start} of the file), "
        f"{error.reason}. Try {retry}, or save the file as UTF-8."
    )
