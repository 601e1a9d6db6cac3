/**
 * A WebSocket message between our processes: lines of text. The first names the version and the
 * kind; each other line is one entry. JSON text never holds a raw line break, so a body travels in
 * its line as it is, without being escaped a second time.
 */
export const PROTOCOL_VERSION = 1;

export interface Frame {
  readonly kind: string;
  readonly entries: readonly string[];
}

export const encodeFrame = (kind: string, entries: readonly string[]): string =>
  `${PROTOCOL_VERSION} ${kind}\n${entries.join("\n")}`;

/** Throws {@link FrameError} on what no version of ours has sent. */
export const decodeFrame = (text: string): Frame => {
  const entries = text.split("\n");
  const head = entries.shift() ?? "";
  const space = head.indexOf(" ");
  const version = Number(head.slice(0, space));
  if (space < 1 || !Number.isInteger(version)) throw new FrameError(`not a frame: ${shown(head)}`);
  if (version !== PROTOCOL_VERSION) {
    throw new FrameError(`protocol version ${version}; this process speaks ${PROTOCOL_VERSION}`);
  }
  if (entries.length === 1 && entries[0] === "") entries.pop();
  return { kind: head.slice(space + 1), entries };
};

/** The other process speaks another language: its message can't be read. */
export class FrameError extends Error {
  override readonly name = "FrameError";
}

const shown = (text: string): string => JSON.stringify(text.slice(0, 80));

/** Reads a frame's only entry as JSON of this shape; what else is in it is refused. */
export const entryReader =
  <T>(what: string, schema: { parse(value: unknown): T }) =>
  (entries: readonly string[]): T => {
    try {
      return schema.parse(JSON.parse(entries[0] ?? ""));
    } catch (error) {
      throw new FrameError(`${what} that cannot be read`, { cause: error });
    }
  };

/** An entry's head (a JSON array) and its body, kept apart by a tab. */
export const joinEntry = (head: readonly unknown[], body: string): string =>
  `${JSON.stringify(head)}\t${body}`;

export const splitEntry = (entry: string): { readonly head: unknown[]; readonly body: string } => {
  const tab = entry.indexOf("\t");
  if (tab < 0) throw new FrameError(`entry without a body: ${shown(entry)}`);
  return { head: parseHead(entry.slice(0, tab)), body: entry.slice(tab + 1) };
};

export const parseHead = (text: string): unknown[] => {
  try {
    const head: unknown = JSON.parse(text);
    if (Array.isArray(head)) return head;
  } catch {
    // said below, with the text
  }
  throw new FrameError(`entry is not an array: ${shown(text)}`);
};
