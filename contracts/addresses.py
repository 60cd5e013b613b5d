"""The file that says where the contracts of one deployment are, and through which endpoints to reach them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from moray.contracts.endpoint import endpoint_name
from moray.errors import BadSetting
from moray.ethereum import is_checksum_address
from moray.files import write_private

MAX_FILE_BYTES = 64 * 1024
_Model = TypeVar("_Model", bound=BaseModel)


def _checksummed(text: str) -> str:
    if not is_checksum_address(text):
        raise ValueError("no address with a checksum (EIP-55)")
    return text


def _endpoint(url: str) -> str:
    try:
        endpoint_name(url)
    except BadSetting as error:
        raise ValueError(str(error)) from None
    return url


Address = Annotated[str, AfterValidator(_checksummed)]
Url = Annotated[str, Field(max_length=2048), AfterValidator(_endpoint)]


class Addresses(BaseModel):
    """``rpc_urls`` may hold API keys: they are in no printed form of this, and the file is its owner's alone."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    chain_id: int = Field(ge=1)
    rpc_urls: tuple[Url, ...] = Field(min_length=1, max_length=8, repr=False)
    currency: Address
    node_registry: Address
    model_registry: Address
    task_market: Address
    payment_channels: Address
    resolver: Address
    deployed_at_block: int = Field(ge=0)  # where a reader of events begins

    def write(self, path: Path) -> None:
        """Mode 0600, atomic."""
        write_private(path, self.model_dump_json(indent=2).encode() + b"\n")


def read_addresses(path: Path) -> Addresses:
    """Raises BadSetting."""
    return read_model(path, Addresses)


def read_model(path: Path, model: type[_Model]) -> _Model:
    """A JSON file of ``model``. Raises BadSetting."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise BadSetting(
            f"cannot read {path}: {error.strerror}; run `moray chain up`, or name the right file"
        ) from None
    if len(raw) > MAX_FILE_BYTES:
        raise BadSetting(f"{path} is longer than {MAX_FILE_BYTES} bytes and no file of addresses; name the right file")
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise BadSetting(f"{path}: {where}: {first['msg']}; correct it or name the right file") from None
