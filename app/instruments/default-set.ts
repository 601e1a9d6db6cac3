import type { Instrument } from "../../shards/domain/instrument.ts";
import defaultSetText from "./default-set.jsonl" with { type: "text" };
import { parseInstrumentFile } from "./instrument-file.ts";

/**
 * The instruments of a system that was given none: USD-M perpetuals with the rules and brackets
 * that Binance published in October 2024 (the BUSD ones: September 2021 and February 2022).
 */
export const defaultInstruments: readonly Instrument[] = parseInstrumentFile(
  defaultSetText,
  "default-set.jsonl",
);
