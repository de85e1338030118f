"""Pictures, tables and the page that a run leaves behind. Reads results only; never trains, never loads a model."""

from aegan.report.page import write_report

__all__ = ["write_report"]
