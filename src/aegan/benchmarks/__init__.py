"""Benchmarks with published numbers: the papers' protocols, and our rows beside theirs, marked with every difference."""

from aegan.benchmarks.protocol import PROTOCOLS, Protocol
from aegan.benchmarks.running import Benchmark, benchmark

__all__ = ["PROTOCOLS", "Benchmark", "Protocol", "benchmark"]
