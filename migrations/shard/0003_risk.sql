-- Not breaking: accounts, positions, conditional orders and what a matching engine did.

-- Money (columns `_minor`) is in units of 10^-8 of its asset, signed, 64 bits: read it as text or
-- as a bigint, because a double is exact up to 2^53 only.

ALTER TABLE orders ADD COLUMN stop_price_units INTEGER;
ALTER TABLE orders ADD COLUMN working_type TEXT;
ALTER TABLE orders ADD COLUMN reduce_only INTEGER NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN close_position INTEGER NOT NULL DEFAULT 0;
-- NULL is BOTH
ALTER TABLE orders ADD COLUMN position_side TEXT;
-- what its body says of attached children, as a JSON list; NULL is none
ALTER TABLE orders ADD COLUMN children TEXT;
ALTER TABLE orders ADD COLUMN parent_id INTEGER;
-- price × quantity of all fills, decimal text since it may pass 64 bits; NULL is 0
ALTER TABLE orders ADD COLUMN cost_units TEXT;
ALTER TABLE orders ADD COLUMN margin_price_units INTEGER NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN open_loss_minor INTEGER NOT NULL DEFAULT 0;
-- both or none: a change that the matching engine has not confirmed
ALTER TABLE orders ADD COLUMN amend_price_units INTEGER;
ALTER TABLE orders ADD COLUMN amend_quantity_units INTEGER;

-- One row: the term in which this shard's bank stands, and whether the file was restored without
-- the other shards' numbers, so that no purse of it may take new exposure.
CREATE TABLE bank_self (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  term INTEGER NOT NULL,
  is_reconciling INTEGER NOT NULL
) STRICT;
INSERT INTO bank_self VALUES (1, 1, 0);

-- Accounts whose home this shard is: the bank's side of a purse (account, asset).
CREATE TABLE bank_account (
  account_id INTEGER NOT NULL,
  asset TEXT NOT NULL,
  deposited_minor INTEGER NOT NULL,
  withdrawn_minor INTEGER NOT NULL,
  version INTEGER NOT NULL,
  last_commit_seq INTEGER NOT NULL,
  PRIMARY KEY (account_id, asset)
) STRICT, WITHOUT ROWID;

-- What the bank knows of each shard's allotment, its own shard's too.
CREATE TABLE bank_shard (
  account_id INTEGER NOT NULL,
  asset TEXT NOT NULL,
  shard_index INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  granted_minor INTEGER NOT NULL,
  last_req INTEGER NOT NULL,
  reply_code TEXT NOT NULL,
  reply_granted_minor INTEGER NOT NULL,
  last_evt INTEGER NOT NULL,
  pnl_total_minor INTEGER NOT NULL,
  unsecured_total_minor INTEGER NOT NULL,
  reported_term INTEGER NOT NULL,
  claim INTEGER NOT NULL,
  PRIMARY KEY (account_id, asset, shard_index)
) STRICT, WITHOUT ROWID;

-- Decided deposits (> 0) and withdrawals (< 0), for ever: an id is decided once.
CREATE TABLE bank_transfer (
  account_id INTEGER NOT NULL,
  asset TEXT NOT NULL,
  transfer_id TEXT NOT NULL,
  amount_minor INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  at INTEGER NOT NULL,
  last_commit_seq INTEGER NOT NULL,
  PRIMARY KEY (account_id, asset, transfer_id)
) STRICT, WITHOUT ROWID;

-- The shard's side of a purse: rights to open orders. Never deleted, not even at zero.
CREATE TABLE allot (
  account_id INTEGER NOT NULL,
  asset TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  state TEXT NOT NULL,
  rights_minor INTEGER NOT NULL,
  req_seq INTEGER NOT NULL,
  evt_seq INTEGER NOT NULL,
  pnl_total_minor INTEGER NOT NULL,
  unsecured_total_minor INTEGER NOT NULL,
  PRIMARY KEY (account_id, asset)
) STRICT, WITHOUT ROWID;

-- The request of a purse that the bank has not answered.
CREATE TABLE allot_pending (
  account_id INTEGER NOT NULL,
  asset TEXT NOT NULL,
  req_seq INTEGER NOT NULL,
  need_minor INTEGER NOT NULL,
  after_evt INTEGER NOT NULL,
  PRIMARY KEY (account_id, asset)
) STRICT, WITHOUT ROWID;

-- Numbered facts that the bank has not acknowledged.
CREATE TABLE allot_outbox (
  account_id INTEGER NOT NULL,
  asset TEXT NOT NULL,
  evt_seq INTEGER NOT NULL,
  kind TEXT NOT NULL,
  units_minor INTEGER NOT NULL,
  delta_minor INTEGER NOT NULL,
  order_id INTEGER NOT NULL,
  execution_id TEXT NOT NULL,
  after_commit_seq INTEGER NOT NULL,
  PRIMARY KEY (account_id, asset, evt_seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE position (
  account_id INTEGER NOT NULL,
  symbol TEXT NOT NULL,
  side TEXT NOT NULL,
  quantity_units INTEGER NOT NULL,
  -- decimal text, as in orders
  cost_units TEXT NOT NULL,
  price_scale INTEGER NOT NULL,
  quantity_scale INTEGER NOT NULL,
  realised_minor INTEGER NOT NULL,
  fees_minor INTEGER NOT NULL,
  version INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  last_commit_seq INTEGER NOT NULL,
  PRIMARY KEY (account_id, symbol, side)
) STRICT, WITHOUT ROWID;

CREATE TABLE symbol_setting (
  account_id INTEGER NOT NULL,
  symbol TEXT NOT NULL,
  leverage INTEGER NOT NULL,
  margin_mode TEXT NOT NULL,
  version INTEGER NOT NULL,
  last_commit_seq INTEGER NOT NULL,
  PRIMARY KEY (account_id, symbol)
) STRICT, WITHOUT ROWID;

CREATE TABLE account_setting (
  account_id INTEGER PRIMARY KEY,
  position_mode TEXT NOT NULL,
  version INTEGER NOT NULL,
  last_commit_seq INTEGER NOT NULL
) STRICT;

CREATE TABLE mark_price (
  symbol TEXT PRIMARY KEY,
  price_units INTEGER NOT NULL,
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Of each symbol's latest fill.
CREATE TABLE last_price (
  symbol TEXT PRIMARY KEY,
  price_units INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- `all`, a symbol, or `account:<id>`.
CREATE TABLE trading_state (
  scope TEXT PRIMARY KEY,
  state TEXT NOT NULL,
  version INTEGER NOT NULL,
  last_commit_seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Executions that may not be applied again, in the order of their commits.
CREATE TABLE execution (
  id INTEGER PRIMARY KEY,
  symbol TEXT NOT NULL,
  execution_id TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX execution_seen ON execution (symbol, execution_id);

-- Executions that could not be applied, for somebody to look at. `value` is their record's.
CREATE TABLE execution_quarantine (
  execution_key TEXT PRIMARY KEY,
  value TEXT NOT NULL,
  last_commit_seq INTEGER NOT NULL
) STRICT;
