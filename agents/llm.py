"""A router's model, or any with OpenAI's API, as pydantic-ai speaks to it."""

from __future__ import annotations

from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

from moray.agents.sdk.client import AsyncMoray

# A gateway constrains tools' arguments as it does answers, without being asked to be strict. A type is asked for as a
# schema, beside tools too.
_PROFILE = OpenAIModelProfile(
    supports_tools=True,
    supports_json_schema_output=True,
    default_structured_output_mode="native",
    openai_supports_strict_tool_definition=False,
)


def open_model(url: str, name: str, api_key: str = "") -> OpenAIChatModel:
    """``url`` is the server's, without ``/v1``."""
    client = AsyncMoray(url, name, api_key)
    provider = OpenAICompatibleProvider("moray", openai_client=client.openai, profile=_PROFILE)
    return OpenAIChatModel(name, provider=provider)
