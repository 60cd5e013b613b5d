"""The DeepSeek-V3 architecture as a torch module that can be trained: the differentiable twin of what serves.

Serving runs compiled kernels over a cache; these are the same mathematics in their expanded form, over whole sequences
and with gradients. Parameters bear the names of the Hugging Face checkpoint (``experts.tensors``), so a ``state_dict``
is a checkpoint. B sequences of T tokens, D hidden, E experts of which K are chosen, V vocabulary.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from moray.architecture import Architecture
from moray.experts.source import open_model
from moray.router.rope import inverse_frequencies

INITIAL_STD = 0.02
ROW_MULTIPLE = 32  # rows of an expert are filled up to a multiple: oneDNN makes a kernel for every new shape (0.7 ms)


class Norm(nn.Module):
    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, x.shape[-1:], self.weight.to(x.dtype), self.eps)


class Linear(nn.Linear):
    """Computes in the type of what it is given; its weights stay float32."""

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return F.linear(x, self.weight.to(x.dtype), bias)


class FeedForward(nn.Module):
    def __init__(self, hidden: int, width: int) -> None:
        super().__init__()
        self.gate_proj = Linear(hidden, width, bias=False)
        self.up_proj = Linear(hidden, width, bias=False)
        self.down_proj = Linear(width, hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class Gate(nn.Module):
    """As ``router.gate``: the bias steers the choice, not the weights. The choice of a tie may differ."""

    e_score_correction_bias: Tensor

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        self.arch = arch
        self.weight = nn.Parameter(torch.empty(arch.num_experts, arch.hidden_size))
        self.register_buffer("e_score_correction_bias", torch.zeros(arch.num_experts))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[N, D] -> expert ids [N, K] and their weights [N, K], float32."""
        arch = self.arch
        scores = F.linear(x.float(), self.weight).sigmoid()
        with torch.no_grad():
            biased = scores + self.e_score_correction_bias
            if arch.num_groups > 1:
                groups = biased.unflatten(-1, (arch.num_groups, -1))
                best = groups.topk(2, dim=-1).values.sum(-1).topk(arch.num_chosen_groups, dim=-1).indices
                is_open = torch.zeros_like(groups[..., 0], dtype=torch.bool).scatter_(-1, best, True)
                biased = groups.masked_fill(~is_open[..., None], -torch.inf).flatten(-2)
            expert_ids = biased.topk(arch.experts_per_token, dim=-1).indices
        weights = scores.gather(-1, expert_ids)
        if arch.norm_topk_prob:
            weights = weights / (weights.sum(-1, keepdim=True) + 1e-20)
        return expert_ids, weights * arch.routed_scaling_factor


class Mixture(nn.Module):
    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        self.gate = Gate(arch)
        self.experts = nn.ModuleList(
            FeedForward(arch.hidden_size, arch.moe_intermediate_size) for _ in range(arch.num_experts)
        )
        self.shared_experts: FeedForward | None = None
        if arch.num_shared_experts:
            self.shared_experts = FeedForward(arch.hidden_size, arch.moe_intermediate_size * arch.num_shared_experts)
        self.expert_ids: Tensor | None = None  # [N, K], what was chosen last

    def forward(self, x: Tensor) -> Tensor:
        rows = x.flatten(0, -2)
        expert_ids, weights = self.gate(rows)
        self.expert_ids = expert_ids
        order = expert_ids.flatten().argsort(stable=True)  # of the N * K choices, by expert
        origins = order // expert_ids.shape[-1]  # the row that each is of
        counts = torch.bincount(expert_ids.flatten(), minlength=len(self.experts))
        lengths = (counts + ROW_MULTIPLE - 1) // ROW_MULTIPLE * ROW_MULTIPLE
        gaps = (lengths - counts).cumsum(0) - (lengths - counts)  # before each expert's rows
        places = torch.arange(len(order), device=x.device) + gaps[expert_ids.flatten()[order]]
        sources = torch.zeros(int(lengths.sum()), dtype=torch.int64, device=x.device).index_copy(0, places, origins)
        parts = rows.index_select(0, sources).split(lengths.tolist())
        outputs = torch.cat([expert(part) for expert, part in zip(self.experts, parts, strict=True)])
        outputs = outputs.index_select(0, places).float() * weights.flatten()[order][:, None]
        total = torch.zeros(rows.shape, dtype=torch.float32, device=x.device).index_add(0, origins, outputs)
        if self.shared_experts is not None:
            total = total + self.shared_experts(rows)
        return total.view(x.shape)


class Attention(nn.Module):
    """Multi-head latent attention in its expanded form: keys and values are raised from the latent."""

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        self.arch = arch
        hidden, bias, eps = arch.hidden_size, arch.attention_bias, arch.rms_norm_eps
        query_width = arch.num_heads * (arch.qk_nope_head_dim + arch.qk_rope_head_dim)
        if arch.q_lora_rank is None:
            self.q_proj = Linear(hidden, query_width, bias=False)
        else:
            self.q_a_proj = Linear(hidden, arch.q_lora_rank, bias=bias)
            self.q_a_layernorm = Norm(arch.q_lora_rank, eps)
            self.q_b_proj = Linear(arch.q_lora_rank, query_width, bias=False)
        self.kv_a_proj_with_mqa = Linear(hidden, arch.kv_lora_rank + arch.qk_rope_head_dim, bias=bias)
        self.kv_a_layernorm = Norm(arch.kv_lora_rank, eps)
        self.kv_b_proj = Linear(
            arch.kv_lora_rank, arch.num_heads * (arch.qk_nope_head_dim + arch.v_head_dim), bias=False
        )
        self.o_proj = Linear(arch.num_heads * arch.v_head_dim, hidden, bias=bias)

    def forward(self, x: Tensor, turns: Turns) -> Tensor:
        arch = self.arch
        raised = self.q_proj(x) if arch.q_lora_rank is None else self.q_b_proj(self.q_a_layernorm(self.q_a_proj(x)))
        query = raised.unflatten(-1, (arch.num_heads, -1)).transpose(1, 2)  # [B, H, T, nope + rope]
        query_nope, query_rope = query.split((arch.qk_nope_head_dim, arch.qk_rope_head_dim), dim=-1)
        latent, key_rope = self.kv_a_proj_with_mqa(x).split((arch.kv_lora_rank, arch.qk_rope_head_dim), dim=-1)
        pair = self.kv_b_proj(self.kv_a_layernorm(latent)).unflatten(-1, (arch.num_heads, -1)).transpose(1, 2)
        key_nope, value = pair.split((arch.qk_nope_head_dim, arch.v_head_dim), dim=-1)
        key_rope = turns.apply(key_rope[:, None]).expand(-1, arch.num_heads, -1, -1)  # one for all heads
        query = torch.cat((query_nope, turns.apply(query_rope)), -1)
        key = torch.cat((key_nope, key_rope), -1)
        if x.device.type == "cpu":  # where the gradient of the fused kernel is three times slower in bfloat16
            query, key, value = query.float(), key.float(), value.float()
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True, scale=arch.softmax_scale)
        out: Tensor = self.o_proj(mixed.transpose(1, 2).flatten(-2).to(x.dtype))
        return out


class Turns(NamedTuple):
    """The rotary angles of positions 0 to T: cos and sin [T, R/2]."""

    cos: Tensor
    sin: Tensor
    is_interleaved: bool

    def apply(self, x: Tensor) -> Tensor:
        """[..., T, R]. Pairs that lie interleaved come out in halves; of queries and keys alike, so their products
        are the same."""
        first, second = (x[..., 0::2], x[..., 1::2]) if self.is_interleaved else x.chunk(2, dim=-1)
        cos, sin = self.cos.to(x.dtype), self.sin.to(x.dtype)
        return torch.cat((first * cos - second * sin, second * cos + first * sin), -1)


class DecoderLayer(nn.Module):
    def __init__(self, arch: Architecture, index: int) -> None:
        super().__init__()
        self.input_layernorm = Norm(arch.hidden_size, arch.rms_norm_eps)
        self.self_attn = Attention(arch)
        self.post_attention_layernorm = Norm(arch.hidden_size, arch.rms_norm_eps)
        is_mixture = index in arch.moe_layers
        self.mlp = Mixture(arch) if is_mixture else FeedForward(arch.hidden_size, arch.intermediate_size)

    def forward(self, hidden_states: Tensor, turns: Turns, compute_type: torch.dtype) -> Tensor:
        mixed: Tensor = self.self_attn(self.input_layernorm(hidden_states).to(compute_type), turns)
        hidden_states = hidden_states + mixed
        further: Tensor = self.mlp(self.post_attention_layernorm(hidden_states).to(compute_type))
        return hidden_states + further


class MtpLayer(DecoderLayer):
    """Multi-token prediction (arXiv 2412.19437 section 2.2): one more layer that, told the next token, guesses the one
    after it. Embedding and head are the model's own."""

    def __init__(self, arch: Architecture, index: int) -> None:
        super().__init__(arch, index)
        self.enorm = Norm(arch.hidden_size, arch.rms_norm_eps)
        self.hnorm = Norm(arch.hidden_size, arch.rms_norm_eps)
        self.eh_proj = Linear(2 * arch.hidden_size, arch.hidden_size, bias=False)
        self.shared_head = nn.ModuleDict({"norm": Norm(arch.hidden_size, arch.rms_norm_eps)})

    def join(self, embedding: Tensor, normed: Tensor, compute_type: torch.dtype) -> Tensor:
        pair = torch.cat((self.enorm(embedding), self.hnorm(normed)), -1)
        joined: Tensor = self.eh_proj(pair.to(compute_type))
        return joined.float()


class Decoder(nn.Module):
    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(arch.vocab_size, arch.hidden_size)
        layers = [DecoderLayer(arch, index) for index in range(arch.num_layers)]
        layers += [MtpLayer(arch, arch.num_layers + index) for index in range(arch.num_mtp_layers)]
        self.layers = nn.ModuleList(layers)
        self.norm = Norm(arch.hidden_size, arch.rms_norm_eps)


class DeepSeekModel(nn.Module):
    """``compute_type``: what products are computed in; the residual stream, the gates and the norms stay float32. At
    most one MTP layer is used."""

    frequencies: Tensor

    def __init__(self, architecture: Architecture, compute_type: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.architecture, self.compute_type = architecture, compute_type
        self.model = Decoder(architecture)
        if not architecture.tie_word_embeddings:
            self.lm_head = Linear(architecture.hidden_size, architecture.vocab_size, bias=False)
        self.register_buffer("frequencies", inverse_frequencies(architecture), persistent=False)

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Normal weights, those that write to the residual stream smaller by its depth."""
        depth = (2 * len(self.model.layers)) ** -0.5
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                is_writer = name.endswith(("o_proj.weight", "down_proj.weight"))
                weight.normal_(0.0, INITIAL_STD * (depth if is_writer else 1.0), generator=generator)

    def hidden_states(self, token_ids: Tensor) -> Tensor:
        """[B, T] -> [B, T, D], what the last layer leaves, before the final norm."""
        turns = self._turns(token_ids.shape[1])
        hidden_states: Tensor = self.model.embed_tokens(token_ids)
        for layer in self.model.layers[: self.architecture.num_layers]:
            hidden_states = layer(hidden_states, turns, self.compute_type)
        return hidden_states

    def logits(self, hidden_states: Tensor) -> Tensor:
        """[..., D] -> [..., V]"""
        return self._head(self.model.norm(hidden_states))

    def mtp_hidden_states(self, hidden_states: Tensor, next_ids: Tensor) -> Tensor:
        """``hidden_states`` [B, T, D] of the last layer and the token behind each position [B, T] -> [B, T, D]."""
        layer, embedding = self._mtp_layer(), self.model.embed_tokens(next_ids)
        joined = layer.join(embedding, self.model.norm(hidden_states), self.compute_type)
        out: Tensor = layer(joined, self._turns(next_ids.shape[1]), self.compute_type)
        return out

    def mtp_logits(self, hidden_states: Tensor) -> Tensor:
        """[..., D] of ``mtp_hidden_states`` -> [..., V], of the token after the next."""
        return self._head(self._mtp_layer().shared_head["norm"](hidden_states))

    def mixtures(self) -> list[Mixture]:
        return [layer.mlp for layer in self.model.layers if isinstance(layer.mlp, Mixture)]

    def _mtp_layer(self) -> MtpLayer:
        layer = self.model.layers[self.architecture.num_layers]
        assert isinstance(layer, MtpLayer)
        return layer

    def _head(self, normed: Tensor) -> Tensor:
        is_tied = self.architecture.tie_word_embeddings
        weight = self.model.embed_tokens.weight if is_tied else self.lm_head.weight
        return F.linear(normed.to(self.compute_type), weight.to(self.compute_type)).float()

    def _turns(self, length: int) -> Turns:
        arch = self.architecture
        angles = torch.arange(length, dtype=torch.float32, device=self.frequencies.device)[:, None] * self.frequencies
        scale = arch.yarn.cos_sin_factor if arch.yarn else 1.0
        return Turns(angles.cos() * scale, angles.sin() * scale, arch.rope_interleave)


def load_model(folder: Path) -> DeepSeekModel:
    """The model of a folder with float weights, for computing in float32. Raises what ``open_model`` raises, KeyError
    when the folder is quantised."""
    source = open_model(folder)
    model = DeepSeekModel(source.architecture)
    model.load_state_dict({name: source.tensor(name) for name in model.state_dict()})
    return model
