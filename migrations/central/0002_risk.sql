-- Not breaking: conditional orders and their children, and what is kept beside the orders.

-- Null, 0 or empty in a plain order's row.
ALTER TABLE orders ADD COLUMN stop_price TEXT;
ALTER TABLE orders ADD COLUMN working_type TEXT;
ALTER TABLE orders ADD COLUMN close_position INTEGER NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN parent_order_id INTEGER;
-- the children as the order's text has them, a JSON array; empty when there are none
ALTER TABLE orders ADD COLUMN children TEXT NOT NULL DEFAULT '';
-- what the matching engine has been asked for; null when nothing
ALTER TABLE orders ADD COLUMN amendment_price TEXT;
ALTER TABLE orders ADD COLUMN amendment_quantity TEXT;

-- Positions, settings, trading states, accounts, transfers, executions that were put aside: the
-- newest value of each, as it came. Of the last two every one has a key of its own.
CREATE TABLE entities (
  shard TEXT NOT NULL,
  type TEXT NOT NULL,
  entity_key TEXT NOT NULL,
  value TEXT NOT NULL,
  at INTEGER NOT NULL,
  -- the record's place
  epoch INTEGER NOT NULL,
  commit_seq INTEGER NOT NULL,
  partition INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (shard, type, entity_key)
) STRICT, WITHOUT ROWID;
