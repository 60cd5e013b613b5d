"""What batch invariance costs: the router's attention and product beside plain ones that do without it.

The router's are compiled kernels over numpy arrays. Plain forms of attention, all with torch's own products and SDPA
over the same weights: ``expand`` caches the latent and expands it in every step, ``cached`` caches expanded keys and
values as transformers does (4 and 9 times the memory), and for prompts ``expand`` only. One JSON object on
stdout; ratios above 1 mean that the plain form is faster.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from measure import claim, interleaved, machine, median_us, progress, report
from moray.architecture import Architecture
from moray.experts.compiled import Rows
from moray.experts.linear import load_linear
from moray.experts.random_checkpoint import DEMO_CONFIG, write_random_checkpoint
from moray.experts.simd import LANES
from moray.experts.source import ModelSource, open_model
from moray.router.attention import LatentAttention
from moray.router.kv_cache import LayerCache, pages_needed
from moray.router.rope import RotaryTable
from moray.router.step import Chunk, build_step

PREFIX = "model.layers.0.self_attn"
MODELS: dict[str, dict[str, Any]] = {
    "demo": DEMO_CONFIG | {"num_hidden_layers": 2},
    "16 heads, latent 512, rope 64": DEMO_CONFIG
    | {
        "num_hidden_layers": 2,
        "hidden_size": 1024,
        "num_attention_heads": 16,
        "num_key_value_heads": 16,
        "q_lora_rank": 512,
        "kv_lora_rank": 512,
        "qk_nope_head_dim": 128,
        "qk_rope_head_dim": 64,
        "v_head_dim": 128,
    },
}
CONTEXTS = (128, 512, 2048, 8192)
ROWS = (1, 8, 32)
CHUNK = 256
MAX_CELL_BYTES = 1 << 30  # of the plain forms' keys, values and scores; larger cells are left out


@dataclass
class Plan:
    quick: bool

    @property
    def rounds(self) -> int:
        return 7 if self.quick else 31

    @property
    def budget_s(self) -> float:
        return 0.4 if self.quick else 2.0


class PlainAttention:
    """The same weights, expanded form, torch's own kernels."""

    def __init__(self, source: ModelSource, rotary: RotaryTable) -> None:
        self.arch: Architecture = source.architecture
        self.cos, self.sin = torch.from_numpy(rotary.cos), torch.from_numpy(rotary.sin)
        for name in (
            "kv_a_proj_with_mqa",
            "q_a_proj",
            "q_a_layernorm",
            "q_b_proj",
            "kv_a_layernorm",
            "kv_b_proj",
            "o_proj",
        ):
            setattr(self, name, source.tensor(f"{PREFIX}.{name}.weight"))

    def norm(self, x: Tensor, weight: Tensor) -> Tensor:
        return F.rms_norm(x, weight.shape, weight, self.arch.rms_norm_eps)

    def rotate(self, x: Tensor, positions: Tensor) -> Tensor:
        """x [T, heads, R] by positions [T]; pairs are neighbours when interleaved, else the two halves'."""
        cos, sin = self.cos[positions][:, None], self.sin[positions][:, None]
        first, second = (x[..., 0::2], x[..., 1::2]) if self.arch.rope_interleave else x.chunk(2, dim=-1)
        return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)

    def project(self, x: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Queries [T, H, nope + R] and latents with rope keys [T, C + R]."""
        arch = self.arch
        latent, rope_key = F.linear(x, self.kv_a_proj_with_mqa).split(
            (arch.kv_lora_rank, arch.qk_rope_head_dim), dim=-1
        )
        low = self.norm(F.linear(x, self.q_a_proj), self.q_a_layernorm)
        queries = F.linear(low, self.q_b_proj).view(x.shape[0], arch.num_heads, -1)
        nope, rope = queries.split((arch.qk_nope_head_dim, arch.qk_rope_head_dim), dim=-1)
        rotated = self.rotate(torch.cat((rope, rope_key[:, None]), dim=1), positions)
        latent = self.norm(latent, self.kv_a_layernorm)
        return torch.cat((nope, rotated[:, :-1]), dim=-1), torch.cat((latent, rotated[:, -1]), dim=-1)

    def expand(self, entries: Tensor) -> tuple[Tensor, Tensor]:
        """Entries [B, N, C + R] -> keys [B, H, N, nope + R] and values [B, H, N, v]."""
        arch = self.arch
        latent, rope = entries.split((arch.kv_lora_rank, arch.qk_rope_head_dim), dim=-1)
        raised = F.linear(latent, self.kv_b_proj).view(*latent.shape[:2], arch.num_heads, -1).transpose(1, 2)
        nope, values = raised.split((arch.qk_nope_head_dim, arch.v_head_dim), dim=-1)
        keys = torch.cat((nope, rope[:, None].expand(-1, arch.num_heads, -1, -1)), dim=-1)
        return keys, values

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor, is_seen: Tensor | None = None) -> Tensor:
        """Queries [B, H, T, nope + R] -> [B * T, D]."""
        mixed = F.scaled_dot_product_attention(queries, keys, values, attn_mask=is_seen, scale=self.arch.softmax_scale)
        return F.linear(mixed.transpose(1, 2).reshape(-1, self.o_proj.shape[1]), self.o_proj)

    kv_a_proj_with_mqa: Tensor
    q_a_proj: Tensor
    q_a_layernorm: Tensor
    q_b_proj: Tensor
    kv_a_layernorm: Tensor
    kv_b_proj: Tensor
    o_proj: Tensor


class Bench:
    """One model's first attention layer in all forms."""

    def __init__(self, config: dict[str, Any]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            write_random_checkpoint(folder, config, seed=0)
            source = open_model(folder)
            rotary = RotaryTable(source.architecture, max(CONTEXTS))
            self.ours, self.plain = LatentAttention(source, PREFIX, rotary), PlainAttention(source, rotary)
        self.arch = source.architecture

    def decode(self, rows: int, context: int, plan: Plan) -> dict[str, Any]:
        arch = self.arch
        per_row = context * arch.num_heads * (arch.qk_nope_head_dim + arch.qk_rope_head_dim + 2 * arch.v_head_dim) * 4
        if rows * per_row * 2 > MAX_CELL_BYTES:
            return {
                "ratio_expand": None,
                "reason": "the plain form's keys and values would not fit in the memory limit",
            }
        torch.manual_seed(0)
        x = torch.randn(rows, arch.hidden_size)
        own_x = x.numpy()  # the same memory
        cache, tables = self._filled_cache(rows, context)
        chunks = [Chunk([0], context - 1, pages, True) for pages in tables]
        step, positions = build_step(chunks), torch.full((rows,), context - 1)
        entries = torch.randn(rows, context, arch.kv_lora_rank + arch.qk_rope_head_dim)
        keys, values = self.plain.expand(entries)
        keys, values = keys.contiguous(), values.contiguous()

        def project() -> Tensor:
            queries, new = self.plain.project(x, positions)
            entries[:, -1] = new
            return queries[:, :, None]

        def plain_expand() -> Tensor:
            return self.plain.attend(project(), *self.plain.expand(entries))

        def plain_cached() -> Tensor:
            queries = project()
            new_keys, new_values = self.plain.expand(entries[:, -1:])
            keys[:, :, -1:], values[:, :, -1:] = new_keys, new_values
            return self.plain.attend(queries, keys, values)

        functions: dict[str, Callable[[], object]] = {
            "moray": lambda: self.ours(own_x, step, cache),
            "expand": plain_expand,
            "cached": plain_cached,
            "build_step": lambda: build_step(chunks),
        }
        samples = interleaved(functions, plan.rounds, plan.budget_s)
        batch = self.ours(own_x, step, cache)
        same = all(
            np.array_equal(batch[i : i + 1], self.ours(own_x[i : i + 1], build_step([chunks[i]]), cache))
            for i in range(0, rows, max(1, rows // 3))
        )
        return _cell(samples, same)

    def prefill(self, context: int, plan: Plan) -> dict[str, Any]:
        """One sequence read in chunks; equality: in chunks of CHUNK against odd ones."""
        arch = self.arch
        torch.manual_seed(0)
        x = torch.randn(context, arch.hidden_size)
        own_x = x.numpy()  # the same memory
        pages = list(range(pages_needed(context)))
        entries = torch.zeros(1, context, arch.kv_lora_rank + arch.qk_rope_head_dim)
        cache = LayerCache(self.ours.cache_spec(), len(pages))

        def ours(chunk: int) -> Rows:
            parts = [(i, min(i + chunk, context)) for i in range(0, context, chunk)]
            steps = [build_step([Chunk([0] * (b - a), a, pages, True)]) for a, b in parts]
            return np.concatenate(
                [self.ours(own_x[a:b], step, cache) for (a, b), step in zip(parts, steps, strict=True)]
            )

        def plain() -> None:
            for start in range(0, context, CHUNK):
                end = min(start + CHUNK, context)
                positions = torch.arange(start, end)
                queries, entries[0, start:end] = self.plain.project(x[start:end], positions)
                is_seen = torch.arange(end) <= positions[:, None]
                self.plain.attend(queries.transpose(0, 1)[None], *self.plain.expand(entries[:, :end]), is_seen)

        samples = interleaved({"moray": lambda: ours(CHUNK), "expand": plain}, max(3, plan.rounds // 4), plan.budget_s)
        same = np.array_equal(ours(CHUNK), ours(97)) if context <= 2048 else None  # one more pass would take too long
        return _cell(samples, same)

    def _filled_cache(self, rows: int, context: int) -> tuple[LayerCache, list[list[int]]]:
        per_row = pages_needed(context)
        spec = self.ours.cache_spec()
        cache, rng, start = LayerCache(spec, per_row * rows), np.random.default_rng(0), 0
        for _, width in spec.widths:  # what lies between them stays zero, as attention leaves it
            cache.slots[:, start : start + width] = rng.standard_normal((len(cache.slots), width), np.float32)
            start += -(-width // LANES) * LANES
        return cache, [list(range(i * per_row, (i + 1) * per_row)) for i in range(rows)]


def _cell(samples: dict[str, list[float]], same: bool | None) -> dict[str, Any]:
    medians = {name: median_us(values) for name, values in samples.items()}
    ratios = {
        f"ratio_{name}": round(medians["moray"] / medians[name], 2) for name in ("expand", "cached") if name in medians
    }
    return {f"{name}_us": value for name, value in medians.items()} | ratios | {"same_bits": same}


def products(plan: Plan) -> list[dict[str, Any]]:
    """The router's product beside F.linear."""
    lines = []
    for width in (256, 1024, 2048):
        weight = torch.randn(width, width)
        linear = load_linear(weight)
        x_all = torch.randn(128, width)
        expected = linear(x_all.numpy())
        for rows in (1, 8, 32, 128):
            x = x_all[:rows].clone()
            own_x = x.numpy()  # the same memory
            functions: dict[str, Callable[[], object]] = {
                "linear": partial(linear, own_x),
                "torch": partial(F.linear, x, weight),
            }
            medians = {
                name: median_us(v) for name, v in interleaved(functions, plan.rounds * 3, plan.budget_s / 2).items()
            }
            lines.append(
                {"width": width, "rows": rows}
                | {f"{name}_us": value for name, value in medians.items()}
                | {
                    "ratio": round(medians["linear"] / medians["torch"], 2),
                    "same_bits": np.array_equal(linear(own_x), expected[:rows]),
                    "torch_same_bits": torch.equal(F.linear(x, weight), F.linear(x_all, weight)[:rows]),
                }
            )
    return lines


def measure(threads: int, plan: Plan) -> dict[str, Any]:
    torch.set_num_threads(threads)
    result: dict[str, Any] = {"threads": threads}
    with torch.inference_mode():
        progress(f"{threads} threads: products")
        result["products"] = products(plan)
        result["decode"], result["prefill"] = [], []
        for name, config in MODELS.items():
            bench = Bench(config)
            contexts = CONTEXTS[:3] if plan.quick else CONTEXTS
            for context in contexts:
                for rows in ROWS:
                    progress(f"{threads} threads, {name}: decode {rows} rows, context {context}")
                    cell = bench.decode(rows, context, plan)
                    result["decode"].append({"model": name, "rows": rows, "context": context} | cell)
                if context <= 2048 or name == "demo":
                    progress(f"{threads} threads, {name}: prompt of {context}")
                    result["prefill"].append({"model": name, "context": context} | bench.prefill(context, plan))
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under a minute: fewer rounds, contexts up to 2,048")
    parser.add_argument("--threads", action="store_true", help="measure with two threads as well")
    options = parser.parse_args()
    plan, started = Plan(options.quick), time.perf_counter()
    runs = [measure(threads, plan) for threads in ((1, 2) if options.threads else (1,))]
    cells = [cell for run in runs for kind in ("decode", "prefill", "products") for cell in run[kind]]
    decode = [cell for run in runs for cell in run["decode"] if cell["ratio_expand"] is not None]
    differing = [cell for cell in cells if cell.get("same_bits") is False]
    worst = max(cell["ratio_expand"] for cell in decode)
    claims = [
        claim("bits alone equal bits in company in every cell (cells that differ)", len(differing), not differing),
        claim("invariant decode costs at most 1.5 x plain latent attention (worst cell)", worst, worst <= 1.5),
    ]
    took = round(time.perf_counter() - started, 1)
    report({"machine": machine(), "seconds": took, "claims": claims, "runs": runs})


if __name__ == "__main__":
    main()
