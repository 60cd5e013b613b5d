"""What the outbox stores. Wei are text: a column of integers holds 64 bits, an amount 256."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

tables = MetaData()
_ID = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up only where the type is INTEGER

intents = Table(
    "outbox_intents",
    tables,
    Column("id", _ID, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("chain_id", BigInteger, nullable=False),
    Column("signer", String(42), nullable=False),
    Column("to", String(42), nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("value_wei", Text, nullable=False),
    Column("expects_address", String(42)),
    Column("expects_topics", LargeBinary, nullable=False),  # 32 bytes each
    Column("summary", Text, nullable=False),
    Column("status", String(16), nullable=False, index=True),
    Column("tx_nonce", BigInteger),  # null while waiting
    Column("mined", Text),  # JSON of intents.Mined
    Column("failure", Text),  # JSON of intents.Failure
    Column("note", Text, nullable=False, server_default=""),
    # What makes a tx_nonce one intent's and an intent one tx_nonce's, even if two writers ever ran at once.
    UniqueConstraint("chain_id", "signer", "tx_nonce"),
)

# Every signed transaction, for ever: as long as its tx_nonce is not used up, it may be mined.
attempts = Table(
    "outbox_attempts",
    tables,
    Column("id", _ID, primary_key=True),
    Column("intent_id", ForeignKey("outbox_intents.id"), nullable=False, index=True),
    Column("tx_hash", LargeBinary, nullable=False, unique=True),
    Column("tx_nonce", BigInteger, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("gas", BigInteger, nullable=False),
    Column("max_fee_wei", Text, nullable=False),  # per gas
    Column("tip_wei", Text, nullable=False),  # per gas
    Column("is_cancellation", Boolean, nullable=False),
    Column("signed_at_block", BigInteger, nullable=False),
)
