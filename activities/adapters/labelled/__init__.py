"""Sentences that people have labelled, from files. They are for measuring only; no label ships with the platform.

phrase_bank.read_phrase_bank     sentence,label,min_agreement_pct     -> LabelledSentence
semeval.read_semeval             id,company,headline,score            -> LabelledSentence
fiqa.read_fiqa                   JSON: posts, targets, scores         -> LabelledSentence
fomc.read_fomc                   sentence,label,year                  -> LabelledSentence
own.read_own                     text,label[,symbol]                  -> LabelledSentence

rows -> values -> a reader
"""

from activities.adapters.labelled.fiqa import read_fiqa
from activities.adapters.labelled.fomc import read_fomc
from activities.adapters.labelled.own import read_own
from activities.adapters.labelled.phrase_bank import read_phrase_bank
from activities.adapters.labelled.semeval import read_semeval
from activities.adapters.labelled.values import NEUTRAL_BAND

__all__ = ["NEUTRAL_BAND", "read_fiqa", "read_fomc", "read_own", "read_phrase_bank", "read_semeval"]
