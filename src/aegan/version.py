"""The version, alone, so that `aegan --version` need not import anything else."""

__version__ = "0.1.0"
