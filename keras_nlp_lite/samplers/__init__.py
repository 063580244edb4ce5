"""How a text goes on: greedily, by chance, along several beams."""

from keras_nlp_lite.samplers.beam_sampler import BeamSampler
from keras_nlp_lite.samplers.contrastive_sampler import ContrastiveSampler
from keras_nlp_lite.samplers.greedy_sampler import GreedySampler
from keras_nlp_lite.samplers.min_p_sampler import MinPSampler
from keras_nlp_lite.samplers.random_sampler import RandomSampler
from keras_nlp_lite.samplers.sampler import Sampler
from keras_nlp_lite.samplers.serialization import deserialize, get, serialize
from keras_nlp_lite.samplers.top_k_sampler import TopKSampler
from keras_nlp_lite.samplers.top_p_sampler import TopPSampler
from keras_nlp_lite.samplers.typical_sampler import TypicalSampler

__all__ = [
    "BeamSampler",
    "ContrastiveSampler",
    "GreedySampler",
    "MinPSampler",
    "RandomSampler",
    "Sampler",
    "TopKSampler",
    "TopPSampler",
    "TypicalSampler",
    "deserialize",
    "get",
    "serialize",
]
