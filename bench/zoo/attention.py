"""Multi-head self-attention and the pre-norm transformer block of the CoAtNet rows."""

import torch
from torch import nn

from bench.zoo.eca import ECA


def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Return softmax(q·kᵀ/√d)·v for N×heads×tokens×d tensors (Vaswani et al., NeurIPS 2017, equation 1).

    Two plain matrix products, because FlopCounterMode adds nothing for the fused CPU kernel behind
    `scaled_dot_product_attention`. At the 4 to 64 tokens of these models they are also the faster way in bf16 on a
    CPU; in float32 the fused kernel is.
    """
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
    return scores.softmax(dim=-1) @ value


def split_heads(x: torch.Tensor, heads: int) -> torch.Tensor:
    """Return N×tokens×dim as N×heads×tokens×(dim/heads)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


class Attention(nn.Module):
    """Self-attention over N×tokens×dim: query, key and value without bias, output with one, no position term.

    `dim` is the width of a token, which the heads share.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.out = nn.Linear(dim, dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the attended tokens, same shape."""
        query, key, value = (split_heads(part, self.heads) for part in self.qkv(x).chunk(3, dim=-1))
        return self.out(attend(query, key, value).transpose(1, 2).flatten(2))


class TokenECA(nn.Module):
    """ECA over the channel axis of N×tokens×dim: the tokens are the positions that its pooling averages."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.eca = ECA(kernel)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the tokens with every channel scaled by its weight, same shape."""
        return self.eca(x.transpose(1, 2).unsqueeze(-1)).squeeze(-1).transpose(1, 2)


class TransformerBlock(nn.Module):
    """Pre-norm attention, then pre-norm MLP (×4, GELU), both residual; with `eca_kernel`, ECA scales the result."""

    def __init__(self, dim: int, heads: int, eca_kernel: int | None = None) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(dim), Attention(dim, heads))
        self.mlp = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))
        self.eca = nn.Identity() if eca_kernel is None else TokenECA(eca_kernel)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the block's output for N×tokens×dim, same shape."""
        x = x + self.attention(x)
        return self.eca(x + self.mlp(x))
