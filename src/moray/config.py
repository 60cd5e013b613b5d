"""Settings, each on one line with its unit and effect; ``MORAY_<NAME>`` in the environment sets one."""

from __future__ import annotations

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from moray.errors import BadSetting
from moray.types import AskedDevice, OverlapMode


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="MORAY_", extra="ignore", frozen=True)

    network_id: str = "local"  # replicas of another network are turned away
    max_running: int = Field(64, ge=1)  # requests computed together
    max_waiting: int = Field(256, ge=1)  # requests that queue for a place; more get HTTP 429
    max_waiting_per_user: int = Field(0, ge=0)  # of them from one user; 0: half of all
    max_step_tokens: int = Field(256, ge=1)  # tokens of one step; longer prompts are read in chunks of it
    expert_wait_s: float = Field(30.0, gt=0)  # how long a request waits for an expert that nobody serves
    dispatch_timeout_s: float = Field(3.0, gt=0)  # patience with one replica before another is asked
    kv_cache_mb: int = Field(512, ge=1)  # memory of the KV cache, MiB; touched as it is used
    prefix_cache: bool = True  # whether requests take over each other's cache pages of equal prefixes
    context_length: int = Field(0, ge=0)  # tokens; 0: what the model was made for, as far as the cache holds it
    overlap: OverlapMode = "auto"  # compute one part of a step while another waits for experts; auto: where it pays
    router_threads: int = Field(0, ge=0)  # threads of the router's products; 0: half the cores
    replica_capacity_rows: int = Field(8192, ge=1)  # rows a replica accepts at once before it answers Busy
    expert_device: AskedDevice = "cpu"  # cuda: integer experts on a GPU; auto: there when there is one
    expert_gpu_share: float = Field(0.01, gt=0, le=1)  # of a GPU that Ray sets aside for a replica on cuda


def read_settings() -> Settings:
    """Raises BadSetting with the variable's name when one does not fit."""
    try:
        settings = Settings()
    except ValidationError as exc:
        first = exc.errors()[0]
        name = f"MORAY_{str(first['loc'][0]).upper()}"
        raise BadSetting(f"{name}: {first['msg']}; correct or unset it") from None
    if settings.max_running > settings.max_step_tokens:
        raise BadSetting(
            "MORAY_MAX_RUNNING is above MORAY_MAX_STEP_TOKENS; every running request needs one token a step"
        )
    return settings
