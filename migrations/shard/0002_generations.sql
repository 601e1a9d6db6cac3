-- Not breaking: what a broker between shard and central needs.

-- Hash of the last record that the broker has of each stream; empty when that is not known, then
-- the relay asks central where to go on.
ALTER TABLE stream ADD COLUMN replicated_hash TEXT NOT NULL DEFAULT '';

-- Bytes of all values committed so far, and of those that have reached central: the outbox's size.
ALTER TABLE sequence ADD COLUMN value_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sequence ADD COLUMN applied_value_bytes INTEGER NOT NULL DEFAULT 0;

-- How many partitions the records from first_commit_seq on are spread over. A record's generation
-- is the last one that begins at or before it.
CREATE TABLE partition_generation (
  generation INTEGER PRIMARY KEY,
  partition_count INTEGER NOT NULL,
  first_commit_seq INTEGER NOT NULL
) STRICT;
INSERT INTO partition_generation SELECT 1, partition_count, 1 FROM cluster;
