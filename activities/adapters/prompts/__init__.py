"""The words that models are asked with. A change of a prompt changes the extractor's version."""
