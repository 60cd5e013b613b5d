"""Ask a network with the ordinary OpenAI client: ``python examples/ask.py http://127.0.0.1:8000 "A question"``."""

from __future__ import annotations

import sys

from openai import OpenAI


def main() -> None:
    url, question = sys.argv[1:3]
    client = OpenAI(base_url=f"{url}/v1", api_key="none")  # the local gateway asks for no key
    model = client.models.list().data[0].id
    stream = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": question}], max_tokens=64, temperature=0, stream=True
    )
    for chunk in stream:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
    print()


if __name__ == "__main__":
    main()
