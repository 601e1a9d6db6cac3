/** A verification as lines for people. */
import { seqAt } from "./cut.ts";
import { DIFFERENCES } from "./findings.ts";
import type { Verification } from "./verify-shard.ts";

const counted = (count: number, one: string): string =>
  `${count.toLocaleString("en-US")} ${one}${count === 1 ? "" : "s"}`;

export const verificationLines = (verification: Verification): readonly string[] => {
  const { shard, cut, compared, differences, differenceCount, resumedAfter } = verification;
  const seqs = cut.cursors.map(({ partition }) => `${partition}:${seqAt(cut, partition)}`);
  const behind = resumedAfter === null ? "" : ` behind commitSeq ${resumedAfter}`;
  const what = [
    `${counted(compared.records, "record")}${behind}`,
    counted(compared.orderRows, "order row"),
    `${counted(compared.olderOrders, "older order")} counted`,
    `${counted(compared.entities, "row")} beside the orders`,
  ];
  const verdict =
    differenceCount === 0 ? "no difference" : `${counted(differenceCount, "DIFFERENCE")}`;
  return [
    `${shard}: ${verdict}`,
    `  cut: ${new Date(cut.at).toISOString()}, epoch ${cut.epoch}, seq by partition ` +
      `${seqs.join(" ") || "none"}`,
    `  compared: ${what.join(", ")}`,
    ...differences.flatMap(({ code, where, detail }) => [
      `  ${where}: ${DIFFERENCES[code]} (${code})`,
      `    ${detail}`,
    ]),
    ...(differenceCount > differences.length
      ? [`  … and ${counted(differenceCount - differences.length, "more")}`.replace(/s$/, "")]
      : []),
  ];
};
