"""Backbones from scratch, by name."""


def _size(num_layers, hidden_dim):
    return {
        "num_layers": num_layers,
        "num_heads": hidden_dim // 64,
        "hidden_dim": hidden_dim,
        "intermediate_dim": 4 * hidden_dim,
    }


# Arguments of a backbone: `BertBackbone(vocabulary_size=30_522, **sizes["mini"])`.
# Reference: Turc et al., "Well-Read Students Learn Better", arXiv:1908.08962.
sizes = {
    "tiny": _size(2, 128),
    "mini": _size(4, 256),
    "small": _size(4, 512),
    "medium": _size(8, 512),
    "base": _size(12, 768),
    # Of both sides of an `EncoderDecoderBackbone`. Reference: Vaswani et al.,
    # "Attention Is All You Need", arXiv:1706.03762.
    "transformer_base": _size(6, 512),
    "transformer_big": _size(6, 1024),
}
