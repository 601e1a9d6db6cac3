-- Not breaking: the first state of a shard's file.

-- What is pinned for the life of the file, and its epoch. One row.
CREATE TABLE cluster (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  shard TEXT NOT NULL,
  shard_index INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  central_id TEXT NOT NULL,
  shard_map TEXT NOT NULL,
  shard_count INTEGER NOT NULL,
  partition_count INTEGER NOT NULL,
  risk TEXT NOT NULL,
  venue TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

-- Whose claim to an epoch this file makes, from before central is asked until for ever. One row.
CREATE TABLE epoch_claim (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  claim_id TEXT NOT NULL
) STRICT;

-- The last order counter and commitSeq given out. One row, updated by every batch.
CREATE TABLE sequence (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  order_counter INTEGER NOT NULL,
  commit_seq INTEGER NOT NULL,
  -- every record up to here has reached central
  applied_commit_seq INTEGER NOT NULL
) STRICT;

-- The end of each partition's stream, and how far the broker and central have got with it.
CREATE TABLE stream (
  partition INTEGER PRIMARY KEY,
  seq INTEGER NOT NULL,
  hash TEXT NOT NULL,
  replicated_seq INTEGER NOT NULL,
  applied_seq INTEGER NOT NULL
) STRICT;

-- Every committed event in commit order. The part above the watermarks is the outbox; the rest
-- stays for the outcomes' retention, because an outcome's body is the record's own value.
CREATE TABLE journal (
  commit_seq INTEGER PRIMARY KEY,
  type INTEGER NOT NULL,
  partition INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  at INTEGER NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  hash TEXT NOT NULL
) STRICT;

CREATE TABLE orders (
  order_id INTEGER PRIMARY KEY,
  account_id INTEGER NOT NULL,
  client_order_id TEXT NOT NULL,
  symbol TEXT NOT NULL,
  side TEXT NOT NULL,
  type TEXT NOT NULL,
  time_in_force TEXT,
  good_till_date INTEGER,
  price_units INTEGER,
  quantity_units INTEGER NOT NULL,
  executed_units INTEGER NOT NULL,
  price_scale INTEGER NOT NULL,
  quantity_scale INTEGER NOT NULL,
  self_trade_prevention TEXT NOT NULL,
  status TEXT NOT NULL,
  version INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  commit_seq INTEGER NOT NULL,
  partition INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  -- commitSeq of the latest change; the row may go when central has applied that
  last_commit_seq INTEGER NOT NULL
) STRICT;

-- What a start loads, however many orders are stored.
CREATE INDEX orders_open ON orders (order_id)
  WHERE status IN ('PENDING', 'UNTRIGGERED', 'NEW', 'PARTIALLY_FILLED', 'PENDING_CANCEL');

-- Hash of each outcome's (account, symbol, clientOrderId), in commit order, until its generation
-- is indexed; rebuilt into memory at a start.
CREATE TABLE outcome_key (
  commit_seq INTEGER PRIMARY KEY,
  key_hash INTEGER NOT NULL
) STRICT;

-- Outcomes by generation. The newest has no filter and no last_commit_seq: it is being filled.
CREATE TABLE outcome_generation (
  generation INTEGER PRIMARY KEY,
  first_commit_seq INTEGER NOT NULL,
  last_commit_seq INTEGER,
  newest_at INTEGER,
  -- Bloom filter over the key hashes, once the generation is indexed
  filter BLOB
) STRICT;

-- Sealed generations, filled in the order of their hashes and dropped whole.
CREATE TABLE outcome_index (
  generation INTEGER NOT NULL,
  key_hash INTEGER NOT NULL,
  commit_seq INTEGER NOT NULL,
  PRIMARY KEY (generation, key_hash, commit_seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE instrument (
  symbol TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  definition TEXT NOT NULL
) STRICT, WITHOUT ROWID;
