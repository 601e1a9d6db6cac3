/**
 * What the shard keeps beside its orders against central: the journal's records by their text and
 * place, the shard's own tables by version and value, and what central has and the shard never had.
 */
import { ENTITY_TYPES, type EntityType } from "../../shards/domain/entities.ts";
import type { ShardReader } from "../../shards/store/shard-reader.ts";
import type { CentralReader } from "../central/central-reader.ts";
import type { EntityRow } from "../central/entity-row.ts";
import { bothTexts, type Findings } from "./findings.ts";
import type { EntityRecord } from "./journal-chunk.ts";

export interface EntityCheckParts {
  readonly shard: Pick<ShardReader, "pins" | "entities" | "entity">;
  readonly central: Pick<CentralReader, "entities" | "entitiesByKey">;
  readonly findings: Findings;
}

const CHUNK_ROWS = 1000;

interface Keyed {
  readonly type: EntityType;
  readonly entityKey: string;
}
const nameOf = ({ type, entityKey }: Keyed): string => `${type} ${entityKey}`;

/** Records that central had at the cut, of each key the newest of a chunk. */
export const checkRecords = async (
  { shard, central, findings }: EntityCheckParts,
  records: Iterable<EntityRecord>,
): Promise<void> => {
  const { epoch } = shard.pins;
  for (const [record, row] of await withRows(shard.pins.shard, central, [...records])) {
    const { commitSeq, value } = record;
    const isRecord = (one: EntityRow): boolean =>
      one.epoch === epoch && one.commitSeq === commitSeq;
    if (row === undefined) {
      findings.add("entity_missing", nameOf(record), value);
    } else if (row.epoch < epoch || (row.epoch === epoch && row.commitSeq < commitSeq)) {
      const detail = `central record ${row.commitSeq} of epoch ${row.epoch}, shard ${commitSeq}`;
      findings.add("entity_behind", nameOf(record), detail);
    } else if (isRecord(row) && row.value !== value) {
      findings.add("entity_differs", nameOf(record), bothTexts(row.value, value));
    }
  }
};

/** Rows whose latest change central had at the cut, and central's own; gives how many of the first. */
export const walkEntities = async (
  parts: EntityCheckParts,
  cutCommitSeq: number,
): Promise<number> => {
  const { shard, central, findings } = parts;
  let rows = 0;
  for (const page of shard.entities(CHUNK_ROWS)) {
    const due = page.filter(({ lastCommitSeq }) => lastCommitSeq <= cutCommitSeq);
    for (const [own, row] of await withRows(shard.pins.shard, central, due)) {
      if (row === undefined) findings.add("entity_missing", nameOf(own), own.value);
      else checkValue(parts, own, row);
    }
    rows += due.length;
  }
  await checkUnknown(parts);
  return rows;
};

/** Central, read later, may be newer: then the shard, read once more, must know that change too. */
const checkValue = (
  { shard, findings }: EntityCheckParts,
  own: Keyed & { readonly value: string },
  row: EntityRow,
): void => {
  const theirs = versionOf(row);
  const isNewer = theirs > versionOf(own);
  const known = isNewer ? (shard.entity(own.type, own.entityKey) ?? own) : own;
  const ours = versionOf(known);
  const versions = `central ${theirs}, shard ${ours}`;
  if (theirs > ours) findings.add("entity_ahead", nameOf(own), versions);
  else if (theirs < ours && !isNewer) findings.add("entity_behind", nameOf(own), versions);
  else if (theirs === ours && withoutFill(row.value) !== known.value) {
    findings.add("entity_differs", nameOf(own), bothTexts(withoutFill(row.value), known.value));
  }
};

/** The shard, read after central, has whatever central had: it lets go of none. */
const checkUnknown = async ({ shard, central, findings }: EntityCheckParts): Promise<void> => {
  for (const type of ENTITY_TYPES) {
    for (let after = ""; ; ) {
      const rows = await central.entities({ shard: shard.pins.shard, type, after }, CHUNK_ROWS);
      const last = rows.at(-1);
      if (last === undefined) break;
      for (const row of rows) {
        if (shard.entity(type, row.entityKey) !== undefined) continue;
        findings.add("entity_unknown", nameOf(row), row.value);
      }
      after = last.entityKey;
    }
  }
};

const withRows = async <T extends Keyed>(
  shard: string,
  central: EntityCheckParts["central"],
  wanted: readonly T[],
): Promise<readonly (readonly [T, EntityRow | undefined])[]> => {
  const rows = new Map<string, EntityRow>();
  for (const type of ENTITY_TYPES) {
    const keys = wanted.flatMap((one) => (one.type === type ? one.entityKey : []));
    if (keys.length === 0) continue;
    const found = await central.entitiesByKey(shard, type, keys);
    for (const row of found) rows.set(nameOf(row), row);
  }
  return wanted.map((one) => [one, rows.get(nameOf(one))] as const);
};

/** A transfer and an execution that was put aside never change. */
const UNCHANGING: readonly EntityType[] = ["transfer_decided", "execution_quarantined"];
const VERSION = /"version":(\d{1,16})[,}]/;

const versionOf = ({ type, value }: { readonly type: EntityType; readonly value: string }) =>
  UNCHANGING.includes(type) ? 1 : Number(VERSION.exec(value)?.[1]);

const FILL = /,"fill":\{[^{}]*\}\}$/;

/** A position's record tells the fill that made it; the shard's row doesn't keep that. */
const withoutFill = (value: string): string => value.replace(FILL, "}");
