"""What went wrong in a training, in words, from its log: of ours or of any program."""

from aegan.doctor.logs import read_any
from aegan.doctor.rules import diagnose
from aegan.events import Finding

__all__ = ["Finding", "diagnose", "read_any"]
