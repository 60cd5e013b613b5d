"""Compiling a grammar for the first time, in a process of its own.

Native code that compiles cannot be interrupted, takes seconds and gigabytes for some schemas of a hundred bytes, and
may overflow its stack. Here the operating system ends it; what passes compiles in the router in as short a time.
The process runs this file by its path and imports nothing of Moray, so that it starts in a tenth of a second.
"""

from __future__ import annotations

import resource
import subprocess
import sys

from llguidance import LLMatcher, LLParserLimits, LLTokenizer, TokenizerWrapper

CPU_S = 2
WALL_S = 20.0  # on a machine that has other things to do
MEMORY_BYTES = 2**30  # of address space
LIMITS = LLParserLimits(
    max_lexer_states=50_000,  # of all answers to a schema together, about 1 KB apiece
    verbose_errors=False,
)


def why_not(grammar: str) -> str:
    """What is wrong with llguidance's ``grammar``, one line; empty when it compiles."""
    command = [sys.executable, "-I", __file__]
    try:
        run = subprocess.run(command, input=grammar.encode(), capture_output=True, timeout=WALL_S)  # noqa: S603
    except subprocess.TimeoutExpired:
        return f"it takes more than {WALL_S:g} s to compile"
    if run.returncode:
        return f"it takes more than {CPU_S} s or {MEMORY_BYTES >> 20} MiB to compile"
    return " ".join(run.stdout.decode().split())


class Bytes:
    """The smallest vocabulary, as ``TokenizerWrapper`` wants it: what takes long does not depend on it."""

    tokens = (*(bytes([byte]) for byte in range(256)), b"<end>")
    eos_token_id, bos_token_id, special_token_ids = 256, None, (256,)

    def __call__(self, text: bytes) -> list[int]:
        return list(text)


def main() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    vocabulary = LLTokenizer(TokenizerWrapper(Bytes()))
    matcher = LLMatcher(vocabulary, sys.stdin.read(), log_level=0, limits=LIMITS)
    matcher.compute_bitmask()
    print(matcher.get_error() or "; ".join(matcher.get_grammar_warnings()))


if __name__ == "__main__":
    main()
