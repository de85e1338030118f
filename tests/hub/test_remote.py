"""Models of the Hugging Face Hub: a stand-in answers for it, as there is no network in tests."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import httpx
import huggingface_hub
import numpy as np
import pytest
from huggingface_hub import errors

import aegan
from aegan.errors import UserError
from aegan.hub import push
from aegan.hugging_face import FILES, HubName, hub_name


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """What was asked of the Hub; `folder` is what it gives, `error` what it raises instead."""
    state: dict[str, Any] = {"folder": tmp_path / "snapshot", "error": None, "asked": []}

    def snapshot_download(repo_id: str, *, revision: str | None = None, allow_patterns: list[str]) -> str:
        state["asked"].append((repo_id, revision, allow_patterns))
        if state["error"]:
            raise state["error"]
        return str(state["folder"])

    class Api:
        def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> str:
            if state["error"]:
                raise state["error"]
            state["asked"].append((repo_id, private, exist_ok))
            return f"https://huggingface.co/{repo_id}"

        def upload_folder(
            self,
            *,
            repo_id: str,
            folder_path: Path,
            allow_patterns: list[str],
            delete_patterns: list[str],
            commit_message: str,
        ) -> None:
            assert delete_patterns == ["evaluation.json", "samples.png"], "what is no longer true goes"
            state["asked"].append((repo_id, allow_patterns))
            shutil.copytree(folder_path, state["folder"])

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    return state


def response(status: int) -> Any:
    import httpx2 as http

    return http.Response(status, request=http.Request("GET", "https://huggingface.co"))


def test_there_and_back(hub: dict[str, Any], trained: Path, aegan_cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    said = aegan_cli("push", trained, "me/shapes", "--private")
    assert said.code == 0 and "https://huggingface.co/me/shapes" in said.out
    assert hub["asked"] == [("me/shapes", True, True), ("me/shapes", list(FILES))]
    assert 'aegan.load("me/shapes")' in (hub["folder"] / "README.md").read_text()
    expected = aegan.load(trained, "cpu").sample(3)
    for name in ("me/shapes", "hf://me/shapes", "hf://me/shapes@v1"):
        assert np.array_equal(aegan.load(name, "cpu").sample(3), expected)
    assert [a[:2] for a in hub["asked"][2:]] == [("me/shapes", None), ("me/shapes", None), ("me/shapes", "v1")]
    assert all(a[2] == ["*.safetensors", "*.json", "*.png", "*.md"] for a in hub["asked"][2:]), (
        "nothing else is fetched"
    )


def test_a_command_takes_a_name(hub: dict[str, Any], vector_run: Path, aegan_cli: Any, tmp_path: Path) -> None:
    shutil.copytree(vector_run / "model", hub["folder"])
    said = aegan_cli("sample", "hf://me/circle", "--n", 5, "--out", tmp_path / "points.npz")
    assert said.code == 0, said.err
    assert hub["asked"][0][0] == "me/circle"


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("me/shapes", HubName("me/shapes")),
        ("hf://me/shapes", HubName("me/shapes")),
        ("hf:/me/shapes@v2", HubName("me/shapes", "v2")),  # what pathlib makes of it
        ("here/shapes", None),  # a folder `here` exists: a slip of the pen, not a name
        ("here/run", None),
        ("hf://here/run", HubName("here/run")),
        ("shapes", None),
        ("/me/shapes", None),
        ("./me/shapes", None),
        ("../shapes", None),
        ("a/b/c", None),
    ],
)
def test_names(path: str, meant: HubName | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here" / "run").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert hub_name(path) == meant


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (errors.LocalEntryNotFoundError("offline"), "no connection"),
        (errors.OfflineModeIsEnabled("offline"), "no connection"),
        (ConnectionError("unreachable"), "no connection"),
        (httpx.ConnectTimeout("slow"), "no connection"),
        (errors.RepositoryNotFoundError("404", response=response(404)), "no such model, or it is private"),
        (errors.RevisionNotFoundError("404", response=response(404)), "no such revision"),
        (errors.GatedRepoError("403", response=response(403)), "those who ask"),
        (OSError("disk\nfull"), "disk"),
    ],
)
def test_what_is_in_the_way(hub: dict[str, Any], error: Exception, words: str) -> None:
    hub["error"] = error
    with pytest.raises(UserError, match=words) as told:
        aegan.load("me/shapes")
    text = str(told.value)
    assert "model.safetensors and config.json" in text and len(text.splitlines()) == 2


def test_a_repository_that_holds_another_kind_of_model(hub: dict[str, Any]) -> None:
    hub["folder"].mkdir()
    (hub["folder"] / "config.json").write_text("{}")
    with pytest.raises(UserError, match=r"no model of aegan: it has no model\.safetensors"):
        aegan.load("me/bert")


def test_a_push_that_fails(hub: dict[str, Any], trained: Path) -> None:
    hub["error"] = errors.LocalTokenNotFoundError("Token is required")
    with pytest.raises(UserError, match="cannot be pushed to me/shapes: Token is required") as told:
        push(trained, "me/shapes")
    assert "hf auth login" in str(told.value)
    hub["error"] = httpx.ConnectError("[Errno -2] Name or service not known")
    with pytest.raises(UserError, match="cannot be pushed to me/shapes: there is no connection") as told:
        push(trained, "me/shapes")
    assert "auth login" not in str(told.value)
    with pytest.raises(UserError, match="no name of a model"):
        push(trained, "shapes")


def test_without_the_package(monkeypatch: pytest.MonkeyPatch, trained: Path) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match=r"aegan\[hub\]"):
        aegan.load("hf://me/shapes")
    with pytest.raises(UserError, match=r"aegan\[hub\]"):
        push(trained, "me/shapes")
