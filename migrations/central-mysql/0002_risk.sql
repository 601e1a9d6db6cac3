-- Not breaking: conditional orders and their children, and what is kept beside the orders.

-- Null, 0 or empty in a plain order's row. All in one statement, which is done or not; a table that
-- has the columns is left as it is.
--   children: as the order's text has them, a JSON array; empty when there are none
--   amendment_…: what the matching engine has been asked for; null when nothing
SET @add_columns = IF(
  EXISTS (
    SELECT 1 FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = 'orders' AND column_name = 'stop_price'
  ),
  'DO 0',
  'ALTER TABLE orders
     ADD COLUMN stop_price DECIMAL(38, 18) AFTER accepted_status,
     ADD COLUMN working_type VARCHAR(16) AFTER stop_price,
     ADD COLUMN close_position TINYINT NOT NULL DEFAULT 0 AFTER working_type,
     ADD COLUMN parent_order_id BIGINT UNSIGNED AFTER close_position,
     ADD COLUMN children VARCHAR(1000) NOT NULL DEFAULT '''' AFTER parent_order_id,
     ADD COLUMN amendment_price DECIMAL(38, 18) AFTER children,
     ADD COLUMN amendment_quantity DECIMAL(38, 18) AFTER amendment_price'
);
PREPARE add_columns FROM @add_columns;
EXECUTE add_columns;
DEALLOCATE PREPARE add_columns;

-- Positions, settings, trading states, accounts, transfers, executions that were put aside: the
-- newest value of each, as it came. Of the last two every one has a key of its own.
CREATE TABLE IF NOT EXISTS entities (
  shard VARCHAR(64) NOT NULL,
  type VARCHAR(32) NOT NULL,
  entity_key VARCHAR(255) NOT NULL,
  value MEDIUMTEXT NOT NULL,
  at BIGINT NOT NULL,
  -- the record's place
  epoch BIGINT NOT NULL,
  commit_seq BIGINT NOT NULL,
  `partition` INT NOT NULL,
  seq BIGINT NOT NULL,
  PRIMARY KEY (shard, type, entity_key)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;
