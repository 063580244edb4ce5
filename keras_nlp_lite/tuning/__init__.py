"""Tuning: which representation, which architecture, which training does best."""

from keras_nlp_lite.tuning.on_ray import search_on_ray
from keras_nlp_lite.tuning.pareto import pareto_front
from keras_nlp_lite.tuning.ranges import fixed
from keras_nlp_lite.tuning.result import SearchResult, TrialResult
from keras_nlp_lite.tuning.search import search
from keras_nlp_lite.tuning.space import Space, space

__all__ = [
    "SearchResult",
    "Space",
    "TrialResult",
    "fixed",
    "pareto_front",
    "search",
    "search_on_ray",
    "space",
]
