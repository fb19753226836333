"""Which language a text is in."""

from __future__ import annotations

from functools import lru_cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

UNDETERMINED = "und"
MIN_LETTERS = 40
MIN_PROBABILITY = 0.9
_MAX_CHARACTERS = 4_000


def language_of(text: str) -> str:
    """Return the ISO 639-1 code; `und` for fewer than 40 letters or where the detector is in doubt."""
    sample = text[:_MAX_CHARACTERS]
    if sum(character.isalpha() for character in sample) < MIN_LETTERS:
        return UNDETERMINED
    language, probability = _detector().classify(sample)
    return str(language) if probability >= MIN_PROBABILITY else UNDETERMINED


@lru_cache(maxsize=1)
def _detector() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
