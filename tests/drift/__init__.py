"""A day live beside the same day played again."""
