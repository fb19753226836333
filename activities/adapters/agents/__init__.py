"""The questions that models are asked and what becomes of their answers: no network, no state, one agent a file."""
