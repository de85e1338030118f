"""Where a run is also logged, beside its own log.jsonl: TensorBoard, Weights & Biases or trackio, on this machine."""

from aegan.engine.loggers._base import LOGGERS, Logger, Loggers, chosen

__all__ = ["LOGGERS", "Logger", "Loggers", "chosen"]
