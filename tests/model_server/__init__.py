"""A local server that answers as Ollama does, for tests and for measuring without a model."""
