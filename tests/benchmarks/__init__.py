"""Benchmarks: `make bench [ONLY=name]`. Everything absolute in time is noise on a shared machine, so the figures that
carry a goal are ratios of two things measured in the same run."""
