"""The 256 printable characters in which byte-level vocabularies spell bytes."""


def _alphabet():
    """str of 256: bytes that print in Latin-1 stand for themselves, the others follow."""
    printing = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return "".join(chr(b) if b in printing else chr(next(others)) for b in range(256))


ALPHABET = _alphabet()
_BYTES = {character: byte for byte, character in enumerate(ALPHABET)}


def spell(data):
    """Bytes as a str of as many printable characters.

    Example:

    >>> spell("à la".encode())
    'ÃłĠla'
    """
    return "".join(ALPHABET[byte] for byte in data)


def unspell(token):
    """The bytes that a token stands for.

    Args:
        token: str.

    Returns:
        bytes. A token with a character that is not of the alphabet spells nothing: it
        stands for itself, in UTF-8.

    Example:

    >>> unspell("ÃłĠla").decode()
    'à la'
    """
    if all(character in _BYTES for character in token):
        return bytes(_BYTES[character] for character in token)
    return token.encode("utf-8", "surrogatepass")
