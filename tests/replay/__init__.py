"""Recorded histories: every workflow must still be able to replay what it did before."""
