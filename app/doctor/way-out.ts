import type { Stopped } from "../../shards/protocol/relay.ts";

/** What makes a stopped stream go on: the record that continues its chain, once it can be taken. */
export const wayOut = (code: Stopped["code"], shard: string): string => {
  const resend = `\`sluice resend --shard ${shard}\``;
  switch (code) {
    case "gap":
      return `${resend}: the shard sends again what was lost, and the stream goes on.`;
    case "hash_mismatch":
      return `${resend}: the shard sends the true record, and the stream goes on.`;
    case "unreadable":
      return `Start this version's appliers everywhere, then ${resend}.`;
    case "refused_by_store":
      return `Put right in the database what the detail says, then ${resend}.`;
    case "old_epoch":
      return `End the writer that runs on an old copy of ${shard}'s file.`;
  }
};
