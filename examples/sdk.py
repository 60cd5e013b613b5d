"""Ask a network with Moray's SDK: ``python examples/sdk.py http://127.0.0.1:8000 "A question"``.

A stream whose connection breaks goes on where it was; nothing here has to know.
"""

from __future__ import annotations

import asyncio
import sys

from moray import AsyncMoray, Sampling


async def main() -> None:
    url, question = sys.argv[1:3]
    async with AsyncMoray(url) as client:
        async for chunk in client.stream_chat(question, Sampling(max_tokens=64)):
            print(chunk.text, end="", flush=True)
        print()
        network = await client.network()
        print("network:", ", ".join(sorted(network)))


if __name__ == "__main__":
    asyncio.run(main())
