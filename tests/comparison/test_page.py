"""The page, from trials that were not run."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from aegan.comparison import Results, Trial
from aegan.comparison.page import band, command
from aegan.comparison.page import page as render
from aegan.pages.charts import Axis

Make = Callable[..., Trial]
Gather = Callable[..., Results]


def many(make: Make) -> list[Trial]:
    names = ("latent", "vae", "autoencoder", "gan")
    return [make(n, s, 100.0 * (1 + i) + s) for i, n in enumerate(names) for s in range(3)]


def test_sections_and_self_containment(make_trial: Make, gather: Gather, tmp_path: Path) -> None:
    trials = [*many(make_trial)[:-1], make_trial("gan", 2, None)]
    picture = tmp_path / trials[1].folder / "evaluation" / "samples.png"
    picture.parent.mkdir(parents=True)
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(picture)
    page = render(gather(trials, tmp_path))
    for title in (
        "The claims",
        "At a glance",
        "Quality against seconds",
        "Recall against precision",
        "Stability",
        "Cost",
    ):
        assert f"<h2>{title}</h2>" in page
    assert page.count("data:image/png") == 1 and "1 diverged" in page and "not finite" in page
    assert not re.search(r"(src|href)=.(?!data:)", page)
    assert "whatever the figures show" in page  # three seeds


def test_names_are_escaped(make_trial: Make, gather: Gather) -> None:
    page = render(gather([make_trial("gan", 0, None, reason="<script>bad</script>"), make_trial("latent", 0)]))
    assert "<script>" not in page


def test_unfinished_and_without_control(make_trial: Make, gather: Gather) -> None:
    page = render(gather([make_trial("latent", 1)]))
    assert "not finished: 1 of 2" in page and "claims are not answered" in page


def test_a_strategy_that_has_seen_the_extractor_is_marked(make_trial: Make, gather: Gather) -> None:
    page = render(gather([make_trial("gan", 0), dataclasses.replace(make_trial("latent", 0), seen="lite1")]))
    assert "The critics of &#39;latent&#39; have seen images through lite1" in page and "&#39;gan&#39; have" not in page


def test_all_failed(make_trial: Make, gather: Gather) -> None:
    page = render(gather([make_trial("gan", 0, None), make_trial("latent", 0, None)]))
    assert page.count("all failed") == 2


def test_band_begins_where_all_have_begun() -> None:
    found = band([[[1, 4.0], [3, 2.0]], [[2, 8.0], [4, 6.0]]])
    assert found == [(2, 6.0, 4.0, 8.0), (3, 5.0, 2.0, 8.0), (4, 4.0, 2.0, 6.0)]


def test_axis() -> None:
    axis = Axis(1.0, 100.0, 0.0, 200.0, log=True)
    assert axis.at(10.0) == 100.0 and axis.at(1000.0) == 200.0
    assert axis.ticks(5) == [1.0, 3.0, 10.0, 30.0, 100.0]


def test_the_command_repeats_it(make_trial: Make, gather: Gather) -> None:
    found = gather(many(make_trial), options={"latent": {"lr": "1e-3"}, "": {"width": "32"}})
    assert command(found) == (
        "aegan compare digits --strategies latent,vae,autoencoder,gan --seeds 3 --minutes 1 --set latent.lr=1e-3 "
        "--set width=32"
    )
