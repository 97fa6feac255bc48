"""The trunk: llama-type blocks without a causal mask, mean pooling, several linear heads."""

import math

import torch
import torch.nn.functional as F
from torch import nn

SHAPE = dict(vocab=8192, dim=192, layers=4, heads=6, ffn=512, context=128, eps=1e-5, base=10000.0)


class Norm(nn.Module):
    def __init__(self, dim, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


def rope_tables(context, size, base):
    """Unit complex numbers [context][size/2] for pairs (2i, 2i+1): llama's GGUF convention."""
    freq = base ** (-torch.arange(0, size, 2).double() / size)
    angle = torch.arange(context).double()[:, None] * freq
    return torch.stack((angle.cos(), angle.sin()), -1).float()


def rotate(x, turn):
    """x [batch][heads][tokens][size]; neighbouring elements form a complex number."""
    pairs = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * turn).flatten(-2).type_as(x)


class Block(nn.Module):
    def __init__(self, s):
        super().__init__()
        d, f = s["dim"], s["ffn"]
        self.heads = s["heads"]
        self.attn_norm, self.ffn_norm = Norm(d, s["eps"]), Norm(d, s["eps"])
        self.q, self.k, self.v, self.o = (nn.Linear(d, d, bias=False) for _ in range(4))
        self.gate, self.up = nn.Linear(d, f, bias=False), nn.Linear(d, f, bias=False)
        self.down = nn.Linear(f, d, bias=False)

    def split(self, x):
        b, t, d = x.shape
        return x.view(b, t, self.heads, d // self.heads).transpose(1, 2)

    def attend(self, x, turn, mask):
        q, k = rotate(self.split(self.q(x)), turn), rotate(self.split(self.k(x)), turn)
        score = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]) + mask
        y = score.softmax(-1) @ self.split(self.v(x))
        return self.o(y.transpose(1, 2).reshape(x.shape))

    def forward(self, x, turn, mask):
        x = x + self.attend(self.attn_norm(x), turn, mask)
        h = self.ffn_norm(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Trunk(nn.Module):
    def __init__(self, shape=None, heads=None, drop=0.15):
        super().__init__()
        s = self.shape = dict(SHAPE, **(shape or {}))
        self.drop = drop
        self.embed = nn.Embedding(s["vocab"], s["dim"])
        self.blocks = nn.ModuleList(Block(s) for _ in range(s["layers"]))
        self.norm = Norm(s["dim"], s["eps"])
        self.head = nn.ModuleDict(
            {n: nn.Linear(s["dim"], k) for n, k in (heads or {"triage": 9}).items()}
        )
        self.turn = torch.view_as_complex(
            rope_tables(s["context"], s["dim"] // s["heads"], s["base"])
        )
        self.reset()

    def reset(self):
        deep = 0.02 / math.sqrt(2 * self.shape["layers"])
        for name, p in self.named_parameters():
            if p.dim() == 2:
                nn.init.normal_(
                    p,
                    std=(
                        0.05
                        if "embed" in name
                        else deep * 2 if (".o." in name or "down" in name) else 0.05
                    ),
                )

    def hidden(self, ids, mask):
        """Normed hidden states [batch][tokens][dim]; mask is 1 at real tokens."""
        n = ids.shape[1]
        bias = (1.0 - mask)[:, None, None, :] * -1e9
        x = F.dropout(self.embed(ids), self.drop, self.training)
        for block in self.blocks:
            x = block(x, self.turn[:n], bias)
        return self.norm(x.float())

    def pooled(self, ids, mask):
        h = self.hidden(ids, mask) * mask[:, :, None]
        return h.sum(1) / mask.sum(1, keepdim=True)
