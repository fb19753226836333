"""How sure the rules may be: a logistic function of a handful of features, fitted by hand-sized arithmetic."""

from __future__ import annotations

import math

from activities.adapters.rules.scoring import Reading

CALLED = 0.3
"""From this absolute score on, a sentence is called good or bad."""

# Fitted on one half of two public, human-labelled samples and checked on the other half. The constants stand a little
# lower than the fit, because the rules themselves were written with the first half in view.
_WHEN_CALLED = (-1.6, 5.3, 0.15, 0.95, -0.7, -0.25)
_WHEN_NOT = (0.7, -1.45, -3.15, 2.35)


def features_when_called(reading: Reading) -> tuple[float, ...]:
    """Constant, strength, share of contradiction, hedges, negations, length."""
    score = abs(reading.score)
    support = reading.support
    against = (support - abs(sum(part.value for part in reading.parts))) / support if support else 0.0
    return (
        1.0,
        score,
        against,
        min(reading.hedges, 2) / 2,
        min(reading.negations, 2) / 2,
        min(len(reading.tokens), 60) / 60,
    )


def features_when_not(reading: Reading) -> tuple[float, ...]:
    """Constant, how near the score came to a call, whether any word of movement or opinion was seen, length."""
    return (1.0, abs(reading.score) / CALLED, min(reading.support, 2.0) / 2, min(len(reading.tokens), 60) / 60)


def confidence(reading: Reading) -> float:
    """Return the chance, in [0, 1], that the sentence's call (good, bad or neither) is right."""
    weights: tuple[float, ...]
    if abs(reading.score) >= CALLED:
        weights, features = _WHEN_CALLED, features_when_called(reading)
    else:
        weights, features = _WHEN_NOT, features_when_not(reading)
    return 1 / (1 + math.exp(-sum(weight * feature for weight, feature in zip(weights, features, strict=True))))
