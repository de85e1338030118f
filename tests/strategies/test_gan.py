"""The options of the plain GAN: each by its own mathematics, and all that combine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from aegan.config import RunConfig, read_preset, with_options
from aegan.data import DataSpec
from aegan.data.loader import Batch, Loader
from aegan.engine import Engine
from aegan.errors import UserError
from aegan.model import Model
from aegan.networks import ConditionalGenerator, History, build_decoder, published_critic, published_decoder
from aegan.networks.layers import MinibatchDiscrimination, VirtualBatchNorm, settle
from aegan.objectives.adversarial import adversarial, smoothed
from aegan.strategies import Clock, Phase, Stage, Strategy
from aegan.strategies import strategy as strategy_of

VECTORS, IMAGES, CLASSES = DataSpec((2,)), DataSpec((1, 16, 16)), DataSpec((1, 16, 16), ("a", "b"))
SALIMANS = {
    "loss": "nonsaturating", "gamma": 0.0, "feature_matching": 0.5, "minibatch": 3, "history": 0.01,
    "label_smoothing": 0.1, "vbn": 4, "pack": 2,
}  # fmt: skip
BN = {"loss": "nonsaturating", "gamma": 0.0}


def phases(chosen: Strategy, spec: DataSpec) -> list[Phase]:
    return [p for s in chosen.stages(spec) if isinstance(s, Stage) for p in s.phases]


def batch(spec: DataSpec, n: int = 16) -> Batch:
    torch.manual_seed(1)
    y = torch.arange(n) % len(spec.classes) if spec.classes else None
    return Batch(torch.randn(n, *spec.shape), y, torch.arange(n).numpy())


def test_minibatch_discrimination_by_hand() -> None:
    layer = MinibatchDiscrimination(2, kernels=2, dims=2)
    f = torch.tensor([[1.0, 0.0], [0.5, 1.0], [-1.0, 2.0]])
    M = (f @ layer.T.detach()).view(3, 2, 2)
    for i in range(3):
        for b in range(2):
            near = [float((-(M[i, b] - M[j, b]).abs().sum()).exp()) for j in range(3) if j != i]
            assert float(layer(f)[i, b].detach()) == pytest.approx(sum(near) / 2, rel=1e-5)
    assert torch.allclose(layer(f[:1].expand(5, 2)), torch.ones(5, 2)), "all alike"


def test_virtual_batch_norm_by_hand() -> None:
    layer = VirtualBatchNorm(3, reference=4)
    h = 2 + 3 * torch.randn(6, 3, 5, 5)
    out = layer(h)
    mean, square = h[:4].mean((0, 2, 3)), h[:4].square().mean((0, 2, 3))
    own = (4 * mean + h[5].mean((1, 2))) / 5
    var = (4 * square + h[5].square().mean((1, 2))) / 5 - own.square()
    want = (h[5] - own[:, None, None]) / (var + 1e-5).sqrt()[:, None, None]
    assert torch.allclose(out[5], want, atol=1e-5)
    assert torch.allclose(out[:4].mean((0, 2, 3)), torch.zeros(3), atol=1e-5)


@pytest.mark.parametrize("shape", [(2,), (1, 16, 16)], ids=str)
def test_with_virtual_batch_norm_samples_do_not_see_each_other(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    G = ConditionalGenerator(build_decoder(shape, (4,), width=8), classes=2, reference=5)
    assert any(isinstance(m, VirtualBatchNorm) for m in G.modules())
    assert not any(isinstance(m, nn.GroupNorm) for m in G.modules())
    z, y = G.noise(6), torch.tensor([0, 1, 0, 1, 0, 1])
    assert G(z, y).shape == (6, *shape)
    assert torch.allclose(G(z, y)[:2], G(z[:2], y[:2]), atol=1e-5)


def test_history_is_the_distance_from_the_mean_of_the_past() -> None:
    net = nn.Linear(1, 1)
    past = History(net)
    told = []
    for weight in (1.0, 3.0, 8.0):
        with torch.no_grad():
            net.weight.fill_(weight)
            net.bias.fill_(0.0)
        told.append(past(net))
    # means 1, 2, 4
    assert [float(v.detach()) for v in told] == pytest.approx([0.0, 1.0, 16.0])
    told[-1].backward()
    assert float(net.weight.grad) == pytest.approx(2 * (8 - 4))  # type: ignore[arg-type]


@pytest.mark.parametrize("game", ["minimax", "nonsaturating"])
def test_smoothed_target_is_the_cross_entropy_with_it(game: str) -> None:
    real, fake = torch.randn(5, dtype=torch.float64), torch.randn(5, dtype=torch.float64)
    cross = nn.functional.binary_cross_entropy_with_logits
    want = cross(real, torch.full_like(real, 0.9), reduction="none") + cross(
        fake, torch.zeros_like(fake), reduction="none"
    )
    assert torch.allclose(smoothed(adversarial(game), 0.1).critic(real, fake), want)
    assert smoothed(adversarial(game), 0.0) == adversarial(game)


def test_smoothing_needs_a_target() -> None:
    real, fake = torch.tensor([0.9]), torch.tensor([0.0])
    assert float(smoothed(adversarial("lsgan"), 0.1).critic(real, fake)) == pytest.approx(0.0, abs=1e-12)
    for game in ("hinge", "wgan", "rpgan"):
        with pytest.raises(UserError, match="no targets"):
            smoothed(adversarial(game), 0.1)
    with pytest.raises(UserError, match="share"):
        smoothed(adversarial("lsgan"), 1.5)


def test_feature_matching_by_hand(make_narrow: Any) -> None:
    gan = make_narrow("gan", feature_matching=0.5)
    torch.manual_seed(0)
    nets = gan.build(VECTORS)
    b = batch(VECTORS)
    torch.manual_seed(3)
    loss = gan.generator(nets, b, Clock(0, 0.0))
    torch.manual_seed(3)
    fake, _ = gan.fakes(nets, b)
    f = [nets["D"].features(x)[-1].mean(0) for x in (b.x, fake)]
    assert set(loss.terms) == {"FM"}
    assert float(loss.terms["FM"].detach()) == pytest.approx(
        0.5 * float((f[0] - f[1]).detach().square().sum()), rel=1e-5
    )


def test_packing_gives_a_logit_a_pack(make_narrow: Any) -> None:
    gan = make_narrow("gan", pack=4)
    nets = gan.build(VECTORS)
    assert nets["D"](torch.zeros(16, 2)).shape == (4,)
    assert gan.critic(nets, batch(VECTORS), Clock(0, 0.0)).terms["L_D"].shape == (4,)
    with pytest.raises(UserError, match="packed by 3"):
        make_narrow("gan", pack=3).build(VECTORS)


@pytest.mark.parametrize("spec", [VECTORS, IMAGES, CLASSES], ids=["vectors", "images", "classes"])
@pytest.mark.parametrize("networks", ["ours", "published"])
def test_all_together(networks: str, spec: DataSpec, make_narrow: Any) -> None:
    networks = networks if networks == "ours" else ("pacgan" if spec.is_vector else "dcgan")
    gan = make_narrow("gan", networks=networks, **SALIMANS)
    torch.manual_seed(0)
    nets = gan.build(spec)
    with torch.no_grad():
        for p in [p for net in nets.values() for p in net.parameters()]:
            p.add_(0.02 * torch.randn_like(p))  # some layers are zero at first
    for phase in phases(gan, spec):
        for key, net in nets.items():
            net.requires_grad_(key in phase.trains)
            net.zero_grad()
        for _ in range(2):  # the past has a distance from the second step on
            loss = phase.loss(nets, batch(spec), Clock(0, 0.0))
        loss.total().backward()
        assert all(v.isfinite().all() for v in loss.terms.values())
        for key, net in nets.items():
            for n, p in net.named_parameters():
                got = p.grad is not None and bool(p.grad.any())
                assert got == (key in phase.trains) or "bias" in n, (phase.name, key, n)


@pytest.mark.parametrize("options", [{"networks": "dcgan"}, {"minibatch": 4}, {"networks": "dcgan", "loss": "wgan-gp"}])
def test_penalties_need_examples_judged_alone(options: dict[str, Any], make_narrow: Any) -> None:
    with pytest.raises(UserError, match="gamma=0"):
        make_narrow("gan", **options).build(IMAGES)


@pytest.mark.parametrize(
    ("networks", "spec"),
    [("dcgan", VECTORS), ("pacgan", IMAGES), ("dcgan", DataSpec((1, 8, 8))), ("r3gan", VECTORS)],
)
def test_published_networks_fit_their_data_alone(networks: str, spec: DataSpec, make_narrow: Any) -> None:
    with pytest.raises(UserError):
        make_narrow("gan", networks=networks, **BN).build(spec)


@pytest.mark.parametrize("size", [16, 28, 32, 64])
def test_dcgan_is_as_published(size: int) -> None:
    torch.manual_seed(0)
    G = published_decoder("dcgan", (3, size, size), 100, width=8)
    D = published_critic("dcgan", (3, size, size), width=8)
    x = G(torch.randn(4, 100))
    assert x.shape == (4, 3, size, size) and float(x.detach().abs().max()) <= 1
    assert D(x).shape == (4,)
    convs = [m for net in (G, D) for m in net.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear))]
    assert torch.cat([m.weight.flatten() for m in convs]).std().item() == pytest.approx(0.02, rel=0.05)
    norms = [sum(isinstance(m, nn.BatchNorm2d) for m in net.modules()) for net in (G, D)]
    halvings = {16: 2, 28: 2, 32: 3, 64: 4}[size]
    assert norms == [halvings - 1, halvings - 1], "in all but G's last layer and D's first"


def test_dcgan_has_the_authors_sizes() -> None:
    """Weights of the authors' networks at 64x64, counted from their code (128 channels, 5x5, no biases but the gains')."""
    chosen = with_options(_gan(), read_preset("gan", "dcgan"), "gan")
    nets = chosen.build(DataSpec((3, 64, 64)))
    k = 25
    g = 100 * 16384 + 2 * 16384 + k * (1024 * 512 + 512 * 256 + 256 * 128 + 128 * 3) + 2 * (512 + 256 + 128)
    d = k * (3 * 128 + 128 * 256 + 256 * 512 + 512 * 1024) + 2 * (256 + 512 + 1024) + 16384 + 1  # our head has a bias
    assert [sum(p.numel() for p in nets[n].parameters()) for n in "GD"] == [g, d]
    assert nets["G"].noise(1000).abs().max() <= 1  # type: ignore[operator]
    critic, generator = phases(chosen, DataSpec((3, 64, 64)))
    assert (critic.lr, critic.betas, generator.final, chosen.batch_size) == (2e-4, (0.5, 0.999), 1.0, 128)


def test_pacgan_toy_is_as_published() -> None:
    chosen = with_options(_gan(), {**read_preset("gan", "pacgan"), "pack": 2}, "gan")
    nets = chosen.build(VECTORS)
    g = 2 * 400 + 3 * 400 * 400 + 4 * 2 * 400 + 400 * 2 + 2
    d = 4 * 1000 + 1000 + 2 * (200 * 1000 + 1000) + 201
    assert [sum(p.numel() for p in nets[n].parameters()) for n in "GD"] == [g, d]
    D = nets["D"].body
    h = torch.randn(3, 4)
    pieces = D.layers[0](h).view(3, 200, 5)  # type: ignore[index, operator, union-attr]
    assert torch.equal(D(h)[0], pieces.max(2).values)  # type: ignore[operator]


@pytest.mark.parametrize(("shape", "stages"), [((3, 32, 32), 4), ((1, 28, 20), 4), ((4, 64, 64), 5)])
def test_r3gan_is_as_published(shape: tuple[int, ...], stages: int) -> None:
    torch.manual_seed(0)
    spec = DataSpec(shape, ("a", "b"))
    nets = with_options(_gan(), {**read_preset("gan", "r3gan"), "width": 32, "critic_width": 32}, "gan").build(spec)
    G, D = nets["G"], nets["D"]
    blocks = [sum(type(m).__name__ == "R3Block" for m in net.modules()) for net in (G, D)]
    assert blocks == [2 * stages, 2 * stages], "two in each stage"
    assert not any("Norm" in type(m).__name__ for net in (G, D) for m in net.modules())
    grouped = [m for m in G.modules() if isinstance(m, nn.Conv2d) and m.groups > 1]
    assert grouped and all(m.in_channels // m.groups == 16 for m in grouped)
    x = G(G.noise(6), torch.arange(6) % 2)  # type: ignore[operator]
    assert x.shape == (6, *shape)
    assert D(x, torch.arange(6) % 2).shape == (6,)
    assert float(x.detach().std()) == pytest.approx(1, abs=0.8), "the scale is kept through all stages"


def test_r3gan_block_is_the_identity_at_first_and_its_first_layers_shrink_with_depth() -> None:
    from aegan.networks.r3gan import R3Block

    x = torch.randn(2, 64, 4, 4)
    shallow, deep = R3Block(64, depth=1), R3Block(64, depth=16)
    assert torch.equal(shallow(x), x)
    ratio = deep.get_parameter("0.weight").detach().std() / shallow.get_parameter("0.weight").detach().std()
    assert float(ratio) == pytest.approx(0.5, rel=0.05), "16^(-1/4)"


def _gan() -> Strategy:
    from aegan.strategies import strategy

    return strategy("gan")()


def test_settling_takes_the_average_of_the_batches() -> None:
    torch.manual_seed(0)
    net = nn.BatchNorm1d(2)
    batches = [torch.randn(8, 2) + i for i in range(3)]
    assert settle(net, ((b,) for b in batches)) == 1
    want = torch.stack([b.mean(0) for b in batches]).mean(0)
    assert torch.allclose(net.running_mean, want, atol=1e-6)  # type: ignore[arg-type]
    assert net.momentum == 0.1


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("vectors", {"networks": "pacgan", **BN, "pack": 2}),
        ("classes", {"networks": "dcgan", "z_kind": "uniform", **BN}),
        ("classes", SALIMANS),
    ],
    ids=["pacgan", "dcgan", "salimans"],
)
def test_it_trains_and_is_saved(
    kind: str, options: dict[str, Any], make_narrow: Any, data_of: Any, tmp_path: Path
) -> None:
    import aegan

    data = data_of(kind)
    config = RunConfig(steps=6, device="cpu", precision="fp32")
    engine = Engine(make_narrow("gan", **options), data, config, tmp_path / "run")
    outcome = engine.run()
    model = Model(engine.strategy, engine.spec, outcome.networks, mean=data.mean, scale=data.scale, device="cpu")
    made = model.sample(5, seed=1, label=0 if model.spec.classes else None)
    again = aegan.load(model.save(tmp_path / "model"), device="cpu")
    assert (again.sample(5, seed=1, label=0 if model.spec.classes else None) == made).all()
    assert (model.sample(3, seed=1, batch_size=1) != 0).any()
    x = Loader(data.train, 16, seed=0).next().x
    assert outcome.networks["D"](x, torch.zeros(16, dtype=torch.long)).isfinite().all()


@pytest.mark.parametrize(("count", "augment"), [(1, "on"), (999, "on"), (1000, "off")])
def test_few_images_are_changed_for_the_critic(count: int, augment: str) -> None:
    assert strategy_of("gan")().resolve_auto(DataSpec((1, 16, 16), (), count)).augment == augment  # type: ignore[attr-defined]
