-- Not breaking: the first state of the central store on MySQL.

-- Statements of this folder may run twice: MySQL keeps a table although its migration breaks off.
-- Tables and columns are those of migrations/central; what is more stands at the end, with a reason.

-- Which central store this is; every shard pins it. One row, made at the first open.
CREATE TABLE IF NOT EXISTS central (
  id TINYINT UNSIGNED NOT NULL CHECK (id = 1),
  central_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

-- The epoch each shard was given last: its fencing number. Older ones are refused.
CREATE TABLE IF NOT EXISTS shard_epoch (
  shard VARCHAR(64) NOT NULL,
  epoch BIGINT NOT NULL CHECK (epoch >= 1),
  -- whose claim it was: the same file that asks again, because the answer was lost, gets the same
  claim_id VARCHAR(255) NOT NULL,
  granted_at BIGINT NOT NULL,
  PRIMARY KEY (shard)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

-- The last record applied of each stream, written in the transaction that applies it. A row with
-- epoch 0 is there to be locked: its stream has no record yet.
CREATE TABLE IF NOT EXISTS stream_cursor (
  shard VARCHAR(64) NOT NULL,
  `partition` INT NOT NULL,
  epoch BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  PRIMARY KEY (shard, `partition`)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

-- Streams that somebody must look at: of such an epoch only the true next record is taken.
CREATE TABLE IF NOT EXISTS stopped_stream (
  shard VARCHAR(64) NOT NULL,
  epoch BIGINT NOT NULL,
  `partition` INT NOT NULL,
  code VARCHAR(32) NOT NULL,
  detail VARCHAR(1000) NOT NULL,
  stopped_at BIGINT NOT NULL,
  PRIMARY KEY (shard, epoch, `partition`)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

-- Every order with today's values.
CREATE TABLE IF NOT EXISTS orders (
  order_id BIGINT UNSIGNED NOT NULL,
  account_id BIGINT NOT NULL,
  client_order_id VARCHAR(64) NOT NULL,
  symbol VARCHAR(32) NOT NULL,
  side VARCHAR(8) NOT NULL,
  type VARCHAR(32) NOT NULL,
  time_in_force VARCHAR(8),
  good_till_date BIGINT,
  price DECIMAL(38, 18),
  quantity DECIMAL(38, 18) NOT NULL,
  executed_quantity DECIMAL(38, 18) NOT NULL,
  average_price DECIMAL(38, 18),
  status VARCHAR(32) NOT NULL,
  reduce_only TINYINT NOT NULL,
  position_side VARCHAR(8) NOT NULL,
  self_trade_prevention VARCHAR(32) NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  shard VARCHAR(64) NOT NULL,
  epoch BIGINT NOT NULL,
  commit_seq BIGINT NOT NULL,
  `partition` INT NOT NULL,
  seq BIGINT NOT NULL,
  version BIGINT NOT NULL,
  -- as accepted, never updated: with the rest of the row they are the outcome of its client order id
  accepted_price DECIMAL(38, 18),
  accepted_quantity DECIMAL(38, 18) NOT NULL,
  accepted_status VARCHAR(32) NOT NULL,
  -- the digits after the point that the order's text has; null where there is no price
  price_scale TINYINT,
  quantity_scale TINYINT NOT NULL,
  average_price_scale TINYINT,
  PRIMARY KEY (order_id),
  -- history, newest first; the symbol rides along so that a filter on it needs no row
  KEY orders_history (account_id, created_at, order_id, symbol),
  -- one order by its sender's id; 32 bits of it are enough, the row decides
  KEY orders_client (account_id, (CRC32(client_order_id)))
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

-- Outcomes that made no order: the value of every refusal, as it came. With the orders' rows they
-- are what a lost shard is rebuilt from. Each shard appends at its own end and retention cuts at the other.
CREATE TABLE IF NOT EXISTS outcomes (
  shard VARCHAR(64) NOT NULL,
  epoch BIGINT NOT NULL,
  commit_seq BIGINT NOT NULL,
  at BIGINT NOT NULL,
  value MEDIUMTEXT NOT NULL,
  PRIMARY KEY (shard, epoch, commit_seq)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

-- Only here: every record of the topic's partition before this offset has been dealt with.
CREATE TABLE IF NOT EXISTS topic_position (
  `partition` INT NOT NULL,
  next_offset BIGINT NOT NULL,
  PRIMARY KEY (`partition`)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

-- Only here: records that were put aside for somebody to look at, as they came.
CREATE TABLE IF NOT EXISTS quarantine (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  `partition` INT NOT NULL,
  -- null for a record that stopped its stream: shard, epoch and seq name it
  `offset` BIGINT,
  shard VARCHAR(255),
  epoch BIGINT,
  seq BIGINT,
  code VARCHAR(32) NOT NULL,
  detail VARCHAR(1000) NOT NULL,
  record_key TEXT NOT NULL,
  headers MEDIUMTEXT NOT NULL,
  value MEDIUMTEXT NOT NULL,
  quarantined_at BIGINT NOT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY quarantine_place (`partition`, `offset`)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;
