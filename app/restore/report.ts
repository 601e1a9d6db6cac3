/** A restore as lines for people: what is back, and exactly what cannot be known. */
import type { RestoredPurses } from "./fill-risk.ts";
import type { LastKnown, Restored } from "./restore-shard.ts";

const timeOf = (at: number): string => new Date(at).toISOString();

const counted = (count: number, one: string): string =>
  `${count.toLocaleString("en-US")} ${one}${count === 1 ? "" : "s"}`;

export const restoreLines = (restored: Restored): readonly string[] => {
  const { shard, file, epoch, previousEpoch, outcomesSince } = restored;
  return [
    `${shard}: restored into ${file}, epoch ${epoch} after ${previousEpoch}`,
    `  restored: ${counted(restored.openOrders, "open order")} and ` +
      counted(restored.positions, "position"),
    ...(restored.purses === null ? [] : purseLines(restored.purses, shard)),
    `  restored: the first answers since ${timeOf(outcomesSince)} to ` +
      `${counted(restored.accepted, "accepted order")} and ${counted(restored.refused, "refusal")}`,
    "  the last record that central had of the lost file:",
    ...(restored.lastKnown.length === 0 ? ["    none"] : restored.lastKnown.map(lastLine)),
    ...LOST,
    `  first answers before ${timeOf(outcomesSince)} are not kept: those client order ids are new.`,
    "  instruments are as the data folder has them, not as the lost file had them.",
    `  New order ids begin at ${restored.nextOrderId}. ${nextStep(restored)}`,
  ];
};

const nextStep = ({ shard, purses }: Restored): string =>
  purses?.state === "RECONCILING"
    ? `Until it is repeated, ${shard} may be started for what it takes.`
    : `Start ${shard} now.`;

const lastLine = ({ partition, epoch, seq, at, stopped }: LastKnown): string => {
  const time =
    at === null ? "no order of its symbols in central" : `nothing later than ${timeOf(at)}`;
  const stop = stopped === null ? "" : `; central had STOPPED reading: ${stopped.code}`;
  return `    partition ${partition}: seq ${seq} of epoch ${epoch}, ${time}${stop}`;
};

const purseLines = (purses: RestoredPurses, shard: string): readonly string[] => {
  if (purses.state === "RECONCILING") {
    return [
      `  ${shard} TAKES NO NEW EXPOSURE, only cancels and orders that reduce: its rights are not known,`,
      ...purses.missing.map((why) => `    ${why}`),
      "    Stop all shards, put the files of the others into this data folder, move the restored file",
      "    away and repeat the command.",
    ];
  }
  const { cancelled, cancelRequested, keptEvents, unsure } = purses;
  return [
    `  restored: the rights of ${counted(purses.purses, "purse")}, from the other shards' files; ` +
      `${counted(keptEvents, "realised amount")} still to be told to their banks`,
    `  cancelled, because the rights are not enough: ${counted(cancelled, "order")}; ` +
      `asked of the matching engine: ${cancelRequested}`,
    ...(unsure.length === 0
      ? []
      : [`  fees in a foreign asset may be missing in the purses ${unsure.join(", ")}`]),
    "  the other shards' files in this data folder have noted the new epoch: start those shards with them.",
    "  mark prices and the ids of older executions are not kept: a FILL that is sent once more for an",
    "  order that is still open would be applied once more.",
  ];
};

/** What was acknowledged behind those records, with `ack=local`, was on the lost disk alone. */
const LOST: readonly string[] = [
  "  cannot be known: whether the lost file had records after these. Every order, refusal, amend",
  "  and cancel answered with ack=local after them is lost (with ack=replicated or ack=central, none):",
  "    an order: its id is never given again; its client order id makes a new order",
  "    a cancel or an amend: the order is open again, as central last had it",
];
