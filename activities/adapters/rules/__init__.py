"""The embedded extractor: own lexicon, compositional rules, standard library only."""

from activities.adapters.rules.extractor import RulesExtractor
from activities.adapters.rules.scoring import score_sentence

__all__ = ["RulesExtractor", "score_sentence"]
