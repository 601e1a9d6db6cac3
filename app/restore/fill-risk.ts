/** Orders, positions and purses of a lost shard into its new file, and what that changes. */
import type { ShardName } from "../../shards/domain/brands.ts";
import { accountKey, renderAccount } from "../../shards/domain/entities.ts";
import type { Instrument } from "../../shards/domain/instrument.ts";
import { isOpen, type Order } from "../../shards/domain/order.ts";
import { renderOrderChange } from "../../shards/domain/order-body.ts";
import type { RiskSettings } from "../../shards/domain/risk/types.ts";
import type { Clock } from "../../shards/process/clock.ts";
import { homeShardOf } from "../../shards/protocol/home-shard.ts";
import type { ClusterConfig } from "../../shards/store/cluster.ts";
import type { RestoredFile } from "../../shards/store/restored-file.ts";
import type { CentralReader } from "../central/central-reader.ts";
import { LostBooks, withMargin } from "./lost-books.ts";
import type { LostRisk } from "./lost-risk.ts";
import { PeerFiles } from "./peer-files.ts";
import { type FilePurse, type LostPurses, settlePurses, unsettledBank } from "./settle-purses.ts";

/** What became of the shard's rights to open orders. */
export interface RestoredPurses {
  /** RECONCILING: it takes orders that only reduce, and cancels. */
  readonly state: "LIVE" | "RECONCILING";
  /** Why not LIVE, a sentence each. */
  readonly missing: readonly string[];
  readonly purses: number;
  /** Orders that its rights are not enough for, and that are cancelled. */
  readonly cancelled: number;
  /** The same of those that a matching engine has to confirm. */
  readonly cancelRequested: number;
  /** Realised amounts that banks of other shards have not heard of yet. */
  readonly keptEvents: number;
  /** Purses of which fees in a foreign asset may be missing: `account:asset`. */
  readonly unsure: readonly string[];
}

export interface FillRiskParts {
  readonly dataDir: string;
  readonly config: ClusterConfig;
  readonly instruments: readonly Instrument[];
  readonly riskSettings: RiskSettings;
  readonly central: CentralReader;
  readonly clock: Clock;
  readonly draft: RestoredFile;
  readonly risk: LostRisk;
  readonly openOrders: readonly Order[];
  /** The new one. */
  readonly epoch: number;
}

export interface FilledRisk {
  readonly openOrders: number;
  readonly positions: number;
  readonly purses: RestoredPurses | null;
}

export const fillRisk = async (parts: FillRiskParts): Promise<FilledRisk> => {
  const { draft, risk, config, openOrders } = parts;
  const { accountSettings, positions, quarantined, symbolSettings, tradingStates } = risk;
  const transfers = [...risk.transfers.values()].flat();
  const { executions } = risk;
  const rows = { accountSettings, executions, positions, quarantined, symbolSettings };
  draft.addRisk({ ...rows, tradingStates, transfers });
  const counts = { openOrders: openOrders.length, positions: positions.length };
  if (config.risk === "none") {
    draft.addOrders(openOrders);
    return { ...counts, purses: null };
  }
  const { name, index } = shardOfMap(config);
  const peers = await PeerFiles.open({
    dataDir: parts.dataDir,
    shards: config.shardMap.shards.filter((shard) => shard.index !== index),
    central: parts.central,
    now: parts.clock.now(),
  });
  try {
    const held = openOrders.map((order) => withMargin(order, parts.riskSettings));
    if (peers.missing.length > 0) return { ...counts, purses: leaveUnsettled(parts, held, peers) };
    peers.beginEpoch(index, parts.epoch);
    return { ...counts, ...settle(parts, name, held, peers) };
  } finally {
    peers.close();
  }
};

const shardOfMap = ({ shard, shardIndex }: ClusterConfig) => ({ name: shard, index: shardIndex });

/** The offline way to what shards would tell each other: settle-purses.ts. */
const settle = (
  parts: FillRiskParts,
  shard: ShardName,
  openOrders: readonly Order[],
  peers: PeerFiles,
): Pick<FilledRisk, "openOrders" | "purses"> => {
  const { draft, config, risk, riskSettings } = parts;
  const instruments = new Map(parts.instruments.map((one) => [one.symbol, one]));
  const { positions, symbolSettings, transfers, accounts } = risk;
  const now = parts.clock.now();
  const terms = { instruments, riskSettings, venue: config.venue, now };
  const books = new LostBooks({ openOrders, positions, symbolSettings }, terms);
  const { purses, banks, keptEvents, unsure } = settlePurses({
    ...placeOf(parts),
    peers: peers.purses(),
    books,
    realised: risk.realised(instruments),
    foreignFees: risk.foreignFees(instruments),
    transfers,
    accounts,
  });
  const changed = books.changed();
  const last = draft.addRecords([
    ...changed.map(({ order, reason }) => ({
      type: "order_changed" as const,
      key: order.symbol,
      value: renderOrderChange(order, shard, reason),
    })),
    ...banks.map(({ accountId, asset, bank }) => ({
      type: "account_changed" as const,
      key: accountKey(accountId),
      value: renderAccount(accountId, asset, bank),
    })),
  ]);
  draft.addOrders(books.unchanged());
  draft.addOrders(
    changed.map(({ order }) => order),
    last,
  );
  draft.addRisk({ purses }, last);
  const ended = changed.filter(({ order }) => !isOpen(order.status)).length;
  const counted = { purses: purses.length, cancelled: ended, keptEvents, unsure };
  const cancelRequested = changed.length - ended;
  return {
    openOrders: openOrders.length - ended,
    purses: { state: "LIVE", missing: [], cancelRequested, ...counted },
  };
};

const placeOf = ({
  config,
  epoch,
}: FillRiskParts): Pick<LostPurses, "shardIndex" | "epoch" | "shardIndexes" | "homeOf"> => {
  const { shards } = config.shardMap;
  return {
    shardIndex: config.shardIndex,
    epoch,
    shardIndexes: shards.map(({ index }) => index).toSorted((a, b) => a - b),
    homeOf: (accountId) => homeShardOf(accountId, shards).index,
  };
};

/** Nothing of what the shard may use is known: only its banks' totals are kept, unused. */
const leaveUnsettled = (
  parts: FillRiskParts,
  openOrders: readonly Order[],
  { missing }: PeerFiles,
): RestoredPurses => {
  const { draft, risk } = parts;
  const place = placeOf(parts);
  const homes = [...risk.accounts.values()].filter(
    ({ accountId }) => place.homeOf(accountId) === place.shardIndex,
  );
  const purses: readonly FilePurse[] = homes.map((totals) => unsettledBank(totals, place));
  draft.addOrders(openOrders);
  draft.addRisk({ purses });
  draft.setReconciling();
  const none = { cancelled: 0, cancelRequested: 0, keptEvents: 0, unsure: [] };
  return { state: "RECONCILING", missing, purses: purses.length, ...none };
};
