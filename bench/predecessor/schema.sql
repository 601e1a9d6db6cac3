-- The central database of the rebuilt predecessor. Every question that an order asks has an index
-- that answers it without a row, where one can.

CREATE TABLE accounts (
  account_id BIGINT NOT NULL,
  status VARCHAR(16) NOT NULL,
  position_mode VARCHAR(8) NOT NULL,
  PRIMARY KEY (account_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

CREATE TABLE instruments (
  symbol VARCHAR(32) NOT NULL,
  status VARCHAR(16) NOT NULL,
  margin_asset VARCHAR(32) NOT NULL,
  tick_size DECIMAL(38, 18) NOT NULL,
  step_size DECIMAL(38, 18) NOT NULL,
  min_quantity DECIMAL(38, 18) NOT NULL,
  max_quantity DECIMAL(38, 18) NOT NULL,
  min_notional DECIMAL(38, 18) NOT NULL,
  max_orders INT NOT NULL,
  PRIMARY KEY (symbol)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

CREATE TABLE account_settings (
  account_id BIGINT NOT NULL,
  symbol VARCHAR(32) NOT NULL,
  margin_mode VARCHAR(16) NOT NULL,
  leverage INT NOT NULL,
  PRIMARY KEY (account_id, symbol)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

CREATE TABLE balances (
  account_id BIGINT NOT NULL,
  asset VARCHAR(32) NOT NULL,
  wallet DECIMAL(30, 8) NOT NULL,
  PRIMARY KEY (account_id, asset)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

CREATE TABLE positions (
  account_id BIGINT NOT NULL,
  symbol VARCHAR(32) NOT NULL,
  side VARCHAR(8) NOT NULL,
  asset VARCHAR(32) NOT NULL,
  quantity DECIMAL(38, 18) NOT NULL,
  margin DECIMAL(30, 8) NOT NULL,
  PRIMARY KEY (account_id, symbol, side),
  KEY positions_margin (account_id, asset, margin)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

CREATE TABLE orders (
  order_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  account_id BIGINT NOT NULL,
  client_order_id VARCHAR(64) NOT NULL,
  parent_order_id BIGINT UNSIGNED,
  symbol VARCHAR(32) NOT NULL,
  side VARCHAR(8) NOT NULL,
  type VARCHAR(32) NOT NULL,
  time_in_force VARCHAR(8),
  price DECIMAL(38, 18),
  stop_price DECIMAL(38, 18),
  quantity DECIMAL(38, 18) NOT NULL,
  asset VARCHAR(32) NOT NULL,
  margin DECIMAL(30, 8) NOT NULL,
  is_open TINYINT NOT NULL,
  status VARCHAR(16) NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (order_id),
  UNIQUE KEY orders_client (account_id, client_order_id),
  KEY orders_margin (account_id, asset, is_open, margin),
  KEY orders_open (account_id, symbol, is_open)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

-- What the consumers of the topic keep up to date for the account's page.
CREATE TABLE account_summaries (
  account_id BIGINT NOT NULL,
  asset VARCHAR(32) NOT NULL,
  open_orders BIGINT NOT NULL,
  order_margin DECIMAL(30, 8) NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (account_id, asset)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin
