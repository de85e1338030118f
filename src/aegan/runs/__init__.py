"""Run folders: the one reader and writer of what a run was asked, chose and left behind."""

from aegan.runs.folder import Run, run_folder
from aegan.runs.settings import RunSettings, check_numbers, open_asked, resolve

__all__ = ["Run", "RunSettings", "check_numbers", "open_asked", "resolve", "run_folder"]
