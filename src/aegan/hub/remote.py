"""Uploads a model to the Hugging Face Hub."""

from __future__ import annotations

import tempfile
from pathlib import Path

from aegan.errors import UserError
from aegan.hub.card import write_hub_folder
from aegan.hugging_face import FILES, hub_package, is_name, why_not


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
    hub = hub_package()
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
                f"The model cannot be pushed to {repo}: {why_not(hub, error)}",
                "Log in with `hf auth login`. Or write the folder with `aegan export RUN --hub DIR` and upload that.",
            ) from error
    return address
