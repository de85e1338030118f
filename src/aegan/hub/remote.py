"""Models on the Hugging Face Hub, through its own package."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from aegan.errors import UserError
from aegan.hub.names import HubName, is_name

FILES = ("*.safetensors", "*.json", "*.png", "*.md")  # all that is ever asked for: nothing here executes


def fetch(name: HubName) -> Path:
    """The folder of a model of the Hub, downloaded, or as it was downloaded before where there is no network.

    Raises:
        UserError: the package is missing, there is no such model, or it cannot be reached and was never downloaded.
    """
    hub = _package()
    if not is_name(name.repo):
        raise UserError(f"'{name.repo}' is no name of a model on the Hub.", "Write it as owner/name.")
    try:
        folder = Path(hub.snapshot_download(name.repo, revision=name.revision, allow_patterns=list(FILES)))
    except Exception as error:  # the package's own, those of its HTTP client, and the system's
        raise UserError(
            f"There is no folder {name.repo}, and the model cannot be fetched from the Hugging Face Hub: {_why(hub, error)}",
            "Or give a folder that holds its model.safetensors and config.json.",
        ) from error
    for file in ("model.safetensors", "config.json"):
        if not (folder / file).is_file():
            raise UserError(f"{name.repo} on the Hugging Face Hub is no model of aegan: it has no {file}.")
    return folder


def push(source: str | Path, repo: str, *, private: bool = False) -> str:
    """Uploads what `write_hub_folder` writes; creates the repository if there is none.

    Args:
        source: a run or a model folder.
        repo: owner/name.
        private: whether a new repository is seen by its owner alone.

    Returns:
        the address.

    Raises:
        UserError: the package is missing, the name is none, nobody is logged in, or the Hub cannot be reached.
    """
    from aegan.hub.card import write_hub_folder

    hub = _package()
    if not is_name(repo):
        raise UserError(f"'{repo}' is no name of a model on the Hub.", "Write it as owner/name.")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "model"
        write_hub_folder(source, folder, title=repo)
        api = hub.HfApi()
        try:
            address = str(api.create_repo(repo, private=private, exist_ok=True))
            api.upload_folder(
                repo_id=repo, folder_path=folder, allow_patterns=list(FILES), commit_message="Upload model with aegan"
            )
        except Exception as error:  # as above
            raise UserError(
                f"The model cannot be pushed to {repo}: {_why(hub, error)}",
                "Log in with `hf auth login`. Or write the folder with `aegan export RUN --hub DIR` and upload that.",
            ) from error
    return address


def _package() -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise UserError(
            "Models of the Hugging Face Hub need huggingface_hub, which is missing.", 'pip install "aegan[hub]"'
        ) from error
    return huggingface_hub


def _why(hub: Any, error: Exception) -> str:
    """One line: what was in the way."""
    known = hub.errors
    if isinstance(error, known.GatedRepoError):
        return "its owner gives it only to those who ask."
    if isinstance(error, known.RepositoryNotFoundError):
        return "there is no such model, or it is private and you are not logged in."
    if isinstance(error, known.RevisionNotFoundError):
        return "there is no such revision."
    if isinstance(error, known.LocalEntryNotFoundError | known.OfflineModeIsEnabled | ConnectionError | TimeoutError):
        return "there is no connection, and it was not downloaded before."
    lines = str(error).strip().splitlines()
    return f"{lines[0] if lines else type(error).__name__}"
