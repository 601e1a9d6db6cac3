import { z } from "zod";
import { describeInstrument, type Instrument } from "../../shards/domain/instrument.ts";
import { reasonOf, UsageError } from "../../shards/process/failure.ts";
import { buildInstrument, FieldRefused } from "./build-instrument.ts";
import { parseJsonExact } from "./exact-json.ts";
import type { BracketFields, InstrumentFields } from "./fields.ts";
import { bracketsForm, exchangeInfoForm, flatForm, ownForm } from "./formats.ts";

/** Text of an instrument file and the name that errors call it by. */
export interface InstrumentFile {
  readonly name: string;
  readonly text: string;
}

export interface ImportedInstruments {
  /** By symbol, each symbol once. */
  readonly instruments: readonly Instrument[];
  /** Sentences on what was left out. */
  readonly notes: readonly string[];
}

/** Routing and URLs take these symbols only; an exchange may have others. */
const SYMBOL = /^[A-Z0-9_-]{1,32}$/;

/**
 * The instruments of files read together, in any of the forms of `formats.ts`; leverage brackets
 * of a file of their own replace those that stand with an instrument. Throws a UsageError that
 * names file, symbol, field and value.
 */
export const parseInstrumentFiles = (files: readonly InstrumentFile[]): ImportedInstruments => {
  const items = files.flatMap(itemsOf);
  const bracketsBySymbol = new Map<string, Sourced<readonly BracketFields[]>>();
  const fieldsBySymbol = new Map<string, Sourced<InstrumentFields>>();
  const notes: string[] = [];
  for (const item of items) {
    if (item.kind === "brackets") {
      const { symbol, brackets } = read(bracketsForm, item);
      addOnce(bracketsBySymbol, symbol, { file: item.file, value: brackets });
    } else if (SYMBOL.test(item.symbol)) {
      const fields = read(FORMS[item.kind], item);
      addOnce(fieldsBySymbol, item.symbol, { file: item.file, value: fields });
    } else {
      notes.push(`${item.file}: ${item.symbol} left out: a symbol must match ${SYMBOL.source}`);
    }
  }
  for (const [symbol, { file }] of bracketsBySymbol) {
    if (fieldsBySymbol.has(symbol)) continue;
    notes.push(`${file}: brackets of ${symbol} left out: no file has that instrument`);
  }
  if (fieldsBySymbol.size === 0) {
    const names = files.map(({ name }) => name).join(", ");
    throw new UsageError(`no instrument in ${names || "no file"}: give an exchangeInfo file too`);
  }
  const instruments = [...fieldsBySymbol]
    .map(([symbol, { file, value }]) =>
      build(file, { ...value, brackets: bracketsBySymbol.get(symbol)?.value ?? value.brackets }),
    )
    .toSorted((a, b) => (a.symbol < b.symbol ? -1 : 1));
  return { instruments, notes };
};

/** The instruments of one file; see {@link parseInstrumentFiles}. */
export const parseInstrumentFile = (
  text: string,
  name = "instrument file",
): readonly Instrument[] => parseInstrumentFiles([{ name, text }]).instruments;

/** The project's own form: a line of JSON per instrument, decimals as text. Versions stay out. */
export const renderInstrumentFile = (instruments: readonly Instrument[]): string =>
  instruments.map((instrument) => `${JSON.stringify(describeInstrument(instrument))}\n`).join("");

const FORMS = { own: ownForm, exchangeInfo: exchangeInfoForm, flat: flatForm } as const;

interface Sourced<T> {
  readonly file: string;
  readonly value: T;
}

/** One instrument, or one symbol's brackets, as it stands in its file. */
interface Item {
  readonly file: string;
  readonly kind: keyof typeof FORMS | "brackets";
  readonly symbol: string;
  readonly value: object;
}

const withSymbol = z.looseObject({ symbol: z.string().min(1) });
const withSymbols = z.looseObject({ symbols: z.array(z.unknown()) });

const itemsOf = ({ name, text }: InstrumentFile): readonly Item[] =>
  documentsOf(name, text)
    .flatMap((document) => (Array.isArray(document) ? document : [document]))
    .flatMap((value: unknown) => {
      const info = withSymbols.safeParse(value);
      if (!info.success) return [itemOf(name, value)];
      return info.data.symbols.map((symbol) => itemOf(name, symbol, "exchangeInfo"));
    });

/** A file is one JSON text, or a JSON text per line. */
const documentsOf = (name: string, text: string): readonly unknown[] => {
  const lines = text.split("\n");
  if (!isJson(lines[0] ?? "")) return [parseDocument(name, text)];
  return lines.flatMap((line, index) =>
    line.trim() === "" ? [] : [parseDocument(`${name}, line ${index + 1}`, line)],
  );
};

const parseDocument = (place: string, json: string): unknown => {
  try {
    return parseJsonExact(json);
  } catch (error) {
    throw new UsageError(`${place}: not JSON: ${reasonOf(error)}`, { cause: error });
  }
};

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

const itemOf = (file: string, value: unknown, kind?: Item["kind"]): Item => {
  const item = withSymbol.safeParse(value);
  if (!item.success) {
    const shown = JSON.stringify(value).slice(0, 80);
    throw new UsageError(`${file}: ${shown} has no symbol, so it is not an instrument`);
  }
  return { file, kind: kind ?? kindOf(item.data), symbol: item.data.symbol, value: item.data };
};

const kindOf = (value: object): Item["kind"] => {
  if ("brackets" in value) return "brackets";
  if ("filters" in value) return "exchangeInfo";
  return "priceDecimals" in value ? "own" : "flat";
};

const read = <T>(form: z.ZodType<T>, { file, symbol, value }: Item): T => {
  const parsed = form.safeParse(value, { reportInput: true });
  if (parsed.success) return parsed.data;
  const wrong = parsed.error.issues.map(
    ({ path, input, message }) => `${path.join(".")} ${JSON.stringify(input)}: ${message}`,
  );
  throw new UsageError(`${file}: ${symbol}: ${wrong.join("; ")}`);
};

const addOnce = <T>(bySymbol: Map<string, Sourced<T>>, symbol: string, item: Sourced<T>): void => {
  const first = bySymbol.get(symbol);
  if (first !== undefined) {
    throw new UsageError(`${item.file}: ${symbol} stands in ${first.file} already: remove one`);
  }
  bySymbol.set(symbol, item);
};

const build = (file: string, fields: InstrumentFields): Instrument => {
  try {
    return buildInstrument(fields);
  } catch (error) {
    if (!(error instanceof FieldRefused)) throw error;
    throw new UsageError(`${file}: ${fields.symbol}: ${error.message}`, { cause: error });
  }
};
