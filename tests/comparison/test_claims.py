"""What trials say about the claims."""

from __future__ import annotations

from collections.abc import Callable

from aegan.comparison import Trial
from aegan.comparison.claims import Claim, claims, paired_verdict
from aegan.comparison.summary import Quality, failures, spread, summarise

Make = Callable[..., Trial]


def answers(trials: list[Trial]) -> dict[str, Claim]:
    return {c.name: c for c in claims(trials, Quality.of(trials))}


def both(make: Make, seeds: int, ours: float | None, theirs: float | None, **changes: object) -> list[Trial]:
    """`latent` against `gan`, with a little noise from the seed."""
    mine = [make("latent", s, None if ours is None else ours + s, **changes) for s in range(seeds)]
    return mine + [make("gan", s, None if theirs is None else theirs + 2 * s) for s in range(seeds)]


def test_three_seeds_cannot_support(make_trial: Make) -> None:
    found = answers(both(make_trial, 3, 100.0, 200.0))["quality"]
    assert found.verdict == "undecided" and found.p == 0.25
    assert "undecided at this number of seeds" in found.text and "cannot give less than 0.25" in found.text
    assert "in 3 of 3 seeds" in found.text


def test_six_seeds_can(make_trial: Make) -> None:
    found = answers(both(make_trial, 6, 100.0, 200.0))
    assert found["quality"].verdict == "supported" and found["quality"].p == 1 / 32
    assert found["speed"].verdict == "supported"


def test_the_wrong_way_is_not_supported(make_trial: Make) -> None:
    found = answers(both(make_trial, 3, 300.0, 200.0))
    assert found["quality"].verdict == "not supported" and found["speed"].verdict == "not supported"
    assert "not within the budget" in found["speed"].text


def test_failures_decide_stability_and_quality(make_trial: Make) -> None:
    found = answers(both(make_trial, 6, 100.0, None))
    assert found["stability"].verdict == "supported" and "of 'gan' 6 of 6" in found["stability"].found
    assert found["quality"].verdict == "supported" and "'gan' failure" in found["quality"].found
    assert found["speed"].verdict == "supported" and "'gan' failed" in found["speed"].found
    assert found["over-fitting"].verdict == "supported"
    against = answers(both(make_trial, 6, None, 200.0))
    assert {against[name].verdict for name in ("quality", "stability", "speed", "over-fitting")} == {"not supported"}


def test_speed_is_undecided_while_no_seed_of_both_was_scored(make_trial: Make) -> None:
    found = answers([make_trial("latent", 0, 100.0), make_trial("gan", 1, 200.0)])["speed"]
    assert found.verdict == "undecided" and "no trial of a seed" in found.text


def test_ties_do_not_turn_a_verdict() -> None:
    found = paired_verdict([-1.0] * 6 + [0.0] * 7)
    assert found.p is not None and found.p <= 0.05 and found.verdict == "supported"


def test_without_failures_spread_decides_stability(make_trial: Make) -> None:
    trials = [make_trial("latent", s, 100.0) for s in range(6)]
    trials += [make_trial("gan", s, 100.0 * 2 ** (s - 2.5)) for s in range(6)]
    assert answers(trials)["stability"].verdict == "supported"


def test_collapsed(make_trial: Make) -> None:
    assert make_trial("gan", 0, shares={"recall": 0.01, "coverage": 0.02}).collapsed == "recall 1.0 %, coverage 2.0 %"
    assert not make_trial("gan", 0, shares={"recall": 0.01, "coverage": 0.5}).collapsed
    modes = {"modes": {"value": 3.0, "baseline": 8.0}, "quality": {"value": 0.9, "baseline": 0.9889}}
    toy = make_trial("gan", 0, figures=modes)
    assert toy.collapsed == "3 of 8 modes" and toy.bad == "collapsed"
    assert Quality.of([toy]).name == "modes_quality"
    assert abs((Quality.of([toy]).value(toy) or 0) - 3 / 8 * 0.9 / 0.9889) < 1e-9


def test_cost_is_counted_without_chance(make_trial: Make) -> None:
    dear = answers(both(make_trial, 3, 100.0, 100.0, operations=3e6))["cost"]
    assert dear.verdict == "not supported" and dear.p is None and "3.00 times the operations" in dear.found
    assert answers(both(make_trial, 3, 100.0, 100.0))["cost"].verdict == "supported"


def test_the_flagship_answers_where_it_takes_part(make_trial: Make) -> None:
    others = [make_trial("vae", s, 300.0 + s) for s in range(6)]
    found = answers([*both(make_trial, 6, 100.0, 200.0), *others])["quality"]
    assert found.verdict == "supported" and "'latent' did better than 'gan' in 6 of 6 seeds" in found.text
    without = answers([*others, *(make_trial("gan", s, 200.0 + 2 * s) for s in range(6))])["quality"]
    assert without.verdict == "not supported" and "The median autoencoder-based strategy" in without.text


def test_others_are_corrected_for_their_number(make_trial: Make) -> None:
    others = [make_trial(n, s, 120.0 + s) for n in ("vae", "aae") for s in range(6)]
    found = {c.name: c for c in answers([*both(make_trial, 6, 100.0, 200.0), *others])["quality"].comparisons}
    assert (found["latent"].p, found["latent"].verdict) == (1 / 32, "supported")
    assert {(found[n].p, found[n].verdict) for n in ("vae", "aae")} == {(2 / 32, "undecided")}


def test_what_was_not_measured_did_not_fail(make_trial: Make) -> None:
    """A distance needs more images than a small set has: nothing failed then, and nothing is decided."""
    none = {"fd": {"value": None, "why": "needs at least 64 images, there are 19"}}
    trials = [make_trial(name, seed, figures=none) for name in ("latent", "vae", "gan") for seed in range(3)]
    found = answers(trials)
    assert {found[name].verdict for name in ("quality", "stability")} == {"undecided"}
    assert "needs at least 64 images, there are 19" in found["quality"].text and "fail" not in found["quality"].text
    made = summarise("gan", trials[-3:], Quality.of(trials))
    assert spread(made, Quality.of(trials)) == "–" and failures(made) == "0 of 3" and made.seconds == 60.0
    some = answers([*(t for t in trials if t.strategy != "latent"), *(make_trial("latent", s) for s in range(3))])
    assert some["quality"].verdict == "undecided"


def test_over_fitting_is_undecided_within_the_error_that_seeds_share(make_trial: Make) -> None:
    """All seeds compare with the same held-out items, so that eight of eight of them say no more than one."""

    def gaps(ours: float, error: float) -> Claim:
        each = {"latent": ours, "gan": 0.0}
        made = [make_trial(name, seed) for name in each for seed in range(8)]
        for t in made:
            t.figures["gap"] = {"value": each[t.strategy] - t.seed / 10, "standard_error": error}
        return answers(made)["over-fitting"]

    near = gaps(-10.0, 12.0)
    assert near.verdict == "undecided" and near.p is None and near.comparisons[0].verdict == "undecided"
    assert (
        "share the training" in near.text
        and "share the training" not in gaps(-100.0, 12.0).text
        and gaps(-100.0, 12.0).verdict == "not supported"
    )
    assert gaps(100.0, 12.0).verdict == "supported"


def test_each_strategy_answers_for_its_own_failures(make_trial: Make) -> None:
    """Neither the default nor the control collapsed, so spread decides between them; of one that always did, failures do."""
    low = {"recall": 0.01, "coverage": 0.01}
    trials = both(make_trial, 8, 100.0, 200.0) + [make_trial("vae", seed, 100.0, shares=low) for seed in range(8)]
    found = answers(trials)["stability"]
    verdicts = {c.name: c.verdict for c in found.comparisons}
    assert "spread" in found.claim and verdicts["vae"] == "not supported"


def test_no_control_no_claims(make_trial: Make) -> None:
    assert claims([make_trial("latent", 0)], Quality()) == []


def test_half_failed_is_a_failed_median(make_trial: Make) -> None:
    s = summarise("gan", [make_trial("gan", 0, 100.0), make_trial("gan", 1, None)], Quality())
    assert s.quality is None and (s.least, s.most) == (100.0, 100.0) and s.bad["diverged"] == 1
    assert s.median_seed == 0 and s.values == (100.0, None)
