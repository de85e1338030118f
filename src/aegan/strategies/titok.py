"""VQGAN whose code is a handful of tokens of the whole image, in the place of a grid."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from aegan.networks.tokenising import TokenDecoder, TokenEncoder
from aegan.strategies import DataSpec, option, register, unused
from aegan.strategies.vqgan import VQGAN


@register
@dataclass(frozen=True)
class TiTok(VQGAN):
    """E and G are transformers, E's last tokens the code; all else is as in VQGAN.

    *compress*  min_{E,G} L_rec + L_code,                    x̂ = G(Q(z_e)), z_e = E(x), K tokens of c numbers
    *sharpen*   min_{E,G} L_rec + L_code + λ L_G(D; x̂)      λ = adversary |∇ L_rec| / |∇ L_G|, ∇ in G's last layer
                min_D L_D(x, x̂)
    *fit*       p(z_e)

    Tokens are not bound to places, so an image of any size may be given the same few. In the paper they begin as learned
    vectors, the targets are first the codes of another tokeniser, and a transformer draws new codes. Ours begin as linear
    mixtures of all patches, and patches as mixtures of tokens: E and G then learn from pixels alone, and draw from a
    mixture of Gaussians.

    Reference:
        Yu et al., An Image is Worth 32 Tokens for Reconstruction and Generation, NeurIPS 2024, arXiv 2406.07550.
    """

    name = "titok"
    paper = "Yu et al. 2024, arXiv 2406.07550"
    summary = (
        "Compresses to a handful of rounded tokens of the whole image, and has a patch critic judge what comes back."
    )
    where = "its reconstruction judged by an adversary"

    vectors = False

    tokens: int = option(16, "K, tokens of a code", source="Yu 2024: 32 to 128", least=1)
    code_dim: int | None = option(8, "c, numbers of a token", source="Yu 2024: 12", least=1, most=65_536)
    code_stride: int | None = unused(None, "tokens are of the whole image")
    width: int = option(64, "numbers of a token within E and G", source="Yu 2024: 512 to 1024", least=1, most=65_536)
    blocks: int = option(4, "blocks of E, and of G", source="Yu 2024: 8 to 24", least=1)
    lr: float = option(2e-3, "AdamW's learning rate of E and G", searchable=True)
    matrix_lr: float = option(1e-2, "Muon's learning rate of the matrices of E and G", source="arXiv 2502.16982")

    def code(self, spec: DataSpec) -> tuple[int, ...]:
        return (self.code_dim or 8, self.tokens, 1)

    def autoencoder(self, spec: DataSpec) -> tuple[nn.Module, nn.Module]:
        code = self.code(spec)
        halves = 1 if self.bottleneck == "vq" else 2
        return (
            TokenEncoder(spec.shape, (halves * code[0], *code[1:]), width=self.width, depth=self.blocks),
            TokenDecoder(spec.shape, code, width=self.width, depth=self.blocks),
        )
