import type { z } from "zod";
import type { FieldError } from "../../shards/domain/problem.ts";
import type { Call } from "./call.ts";
import { parseWith } from "./fields.ts";
import { plainProblem, problemReply, Reply } from "./reply.ts";

export const ORDER_BODY_BYTES_MAX = 64 * 1024;
export const BATCH_BODY_BYTES_MAX = 1024 * 1024;

const JSON_UTF8 = /^application\/json\s*(;\s*charset="?utf-8"?\s*)?$/i;
const REPLACEMENT = "\uFFFD";

/** The JSON value of the body, or the refusal. Limits hold for chunked bodies too. */
export const readJson = async (call: Call, bytesMax: number): Promise<unknown> => {
  const { headers } = call.request;
  const contentType = headers.get("content-type");
  if (contentType !== "application/json" && !JSON_UTF8.test(contentType ?? "")) {
    return problemReply(call.requestId, plainProblem("unsupported_media_type"));
  }
  const length = headers.get("content-length");
  if (length !== null && Number(length) > bytesMax) return tooLarge(call, bytesMax);
  let text: string | undefined;
  try {
    text = length === null ? await readStream(call.request, bytesMax) : await call.request.text();
  } catch {
    return invalidBody(call, "ended before it was complete");
  }
  if (text === undefined) return tooLarge(call, bytesMax);
  call.bodyArrived();
  // Bytes that are not UTF-8 arrive as U+FFFD, which has no place in any field either.
  if (text.includes(REPLACEMENT)) return invalidBody(call, "is not valid UTF-8");
  try {
    return JSON.parse(text);
  } catch {
    return invalidBody(call, "is not JSON");
  }
};

/** The body as its schema says, or the refusal. */
export const readBody = async <T>(
  call: Call,
  schema: z.ZodType<T>,
  bytesMax: number,
): Promise<{ readonly value: T } | Reply> => {
  const json = await readJson(call, bytesMax);
  if (json instanceof Reply) return json;
  const parsed = parseWith(schema, json);
  return parsed.ok ? parsed : invalidRequest(call, parsed.errors);
};

export const invalidRequest = (call: Call, errors: readonly FieldError[]): Reply =>
  problemReply(call.requestId, plainProblem("invalid_request"), errors);

const invalidBody = (call: Call, reason: string): Reply =>
  invalidRequest(call, [{ path: "", reason: `the body ${reason}` }]);

const tooLarge = (call: Call, bytesMax: number): Reply =>
  problemReply(call.requestId, {
    code: "body_too_large",
    detail: `The body may have ${bytesMax} bytes.`,
    context: { bytesMax },
  });

/** undefined as soon as there is more than the limit; the rest is not read. */
const readStream = async (request: Request, bytesMax: number): Promise<string | undefined> => {
  if (request.body === null) return "";
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of request.body) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) return undefined;
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
};
