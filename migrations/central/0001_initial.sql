-- Not breaking: the first state of the embedded central store.

-- Which central store this is; every shard pins it. One row, made at the first open.
CREATE TABLE central (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  central_id TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

-- The epoch each shard was given last: its fencing number. Older ones are refused.
CREATE TABLE shard_epoch (
  shard TEXT PRIMARY KEY,
  epoch INTEGER NOT NULL CHECK (epoch >= 1),
  -- whose claim it was: the same file that asks again, because the answer was lost, gets the same
  claim_id TEXT NOT NULL,
  granted_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The last record applied of each stream, written in the transaction that applies it.
CREATE TABLE stream_cursor (
  shard TEXT NOT NULL,
  partition INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  hash TEXT NOT NULL,
  PRIMARY KEY (shard, partition)
) STRICT, WITHOUT ROWID;

-- Streams that somebody must look at: nothing of such an epoch is taken any more.
CREATE TABLE stopped_stream (
  shard TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  partition INTEGER NOT NULL,
  code TEXT NOT NULL,
  detail TEXT NOT NULL,
  stopped_at INTEGER NOT NULL,
  PRIMARY KEY (shard, epoch, partition)
) STRICT, WITHOUT ROWID;

-- Every order with today's values. Decimals are text with the instrument's digits.
CREATE TABLE orders (
  order_id INTEGER PRIMARY KEY,
  account_id INTEGER NOT NULL,
  client_order_id TEXT NOT NULL,
  symbol TEXT NOT NULL,
  side TEXT NOT NULL,
  type TEXT NOT NULL,
  time_in_force TEXT,
  good_till_date INTEGER,
  price TEXT,
  quantity TEXT NOT NULL,
  executed_quantity TEXT NOT NULL,
  average_price TEXT,
  status TEXT NOT NULL,
  reduce_only INTEGER NOT NULL,
  position_side TEXT NOT NULL,
  self_trade_prevention TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  shard TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  commit_seq INTEGER NOT NULL,
  partition INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  version INTEGER NOT NULL,
  -- as accepted, never updated: with the rest of the row they are the outcome of its client order id
  accepted_price TEXT,
  accepted_quantity TEXT NOT NULL,
  accepted_status TEXT NOT NULL
) STRICT;

-- History, newest first. The symbol rides along so that a filter on it needs no row.
CREATE INDEX orders_history ON orders (account_id, created_at, order_id, symbol);

-- Outcomes that made no order: the value of every refusal, as it came. With the orders' rows they
-- are what a lost shard is rebuilt from. Each shard appends at its own end and retention cuts at the other.
CREATE TABLE outcomes (
  shard TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  commit_seq INTEGER NOT NULL,
  at INTEGER NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (shard, epoch, commit_seq)
) STRICT, WITHOUT ROWID;
