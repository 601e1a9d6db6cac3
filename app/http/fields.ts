/** Fields that several requests share, and how their errors are said. */
import { z } from "zod";
import type { CanonicalDecimal } from "../../shards/domain/brands.ts";
import { canonicalDecimal } from "../../shards/domain/decimal.ts";
import type { FieldError } from "../../shards/domain/problem.ts";

export const DECIMAL = /^(0|[1-9]\d{0,15})(\.\d{1,18})?$/;

export const decimal = z
  .string()
  .regex(DECIMAL, "must be a decimal like 0.10: up to 16 digits before and 18 after the point")
  .meta({ examples: ["50000.10"] });
export const symbol = z
  .string()
  .regex(/^[A-Z0-9_-]{1,32}$/)
  .meta({ examples: ["BTCUSDT"] });
export const clientOrderId = z
  .string()
  .regex(/^[.A-Z:/a-z0-9_-]{1,36}$/)
  .meta({ examples: ["a-1"] });
/** Names that others give, such as an execution's; unique to their sender. */
export const foreignId = z.string().regex(/^[.A-Z:/a-z0-9_-]{1,64}$/);
export const asset = z
  .string()
  .regex(/^[A-Z0-9_-]{1,32}$/)
  .meta({ examples: ["USDT"] });
/** Signed. Ten digits before the point: in units of 10^-8 it fits 64 bits. */
export const money = z
  .string()
  .regex(
    /^-?(0|[1-9]\d{0,9})(\.\d{1,8})?$/,
    "must be a decimal like -10.5: up to 10 digits before and 8 after the point",
  )
  .meta({ examples: ["1000.00"] });
/** Account and order ids: decimal integers as text. */
export const idText = z
  .string()
  .regex(/^[1-9]\d{0,15}$/)
  .refine((id) => Number.isSafeInteger(Number(id)), "is too large")
  .meta({ examples: ["4097"] });
export const timestamp = z.int().min(0);

/** {@link money} without trailing zeros; zero has no sign. */
export const canonicalMoney = (text: string): CanonicalDecimal => {
  if (!text.startsWith("-")) return canonicalDecimal(text);
  const size = canonicalDecimal(text.slice(1));
  return size === "0" ? size : (`-${size}` as CanonicalDecimal);
};

/** A value that is what its schema says, or the refused fields. */
export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly errors: readonly FieldError[] };

const reasonOfIssue = (issue: z.core.$ZodRawIssue): string | undefined => {
  if (issue.input === undefined) return "is required";
  switch (issue.code) {
    case "invalid_type":
      return typeof issue.input === "number" && issue.expected === "string"
        ? "must be text, not a JSON number"
        : `must be of type ${issue.expected}`;
    case "invalid_value":
      return `must be one of ${issue.values.join(", ")}`;
    case "invalid_format":
      return `must match ${issue.pattern}`;
    case "unrecognized_keys":
      return "is not a field of this request";
    default:
      return undefined;
  }
};

const WITH_REASONS = { error: reasonOfIssue };

export const parseWith = <T>(schema: z.ZodType<T>, value: unknown): Parsed<T> => {
  const parsed = schema.safeParse(value, WITH_REASONS);
  if (parsed.success) return { ok: true, value: parsed.data };
  return { ok: false, errors: parsed.error.issues.flatMap(fieldErrors) };
};

const fieldErrors = (issue: z.core.$ZodIssue): FieldError[] => {
  const keys = issue.code === "unrecognized_keys" ? issue.keys.map((key) => [key]) : [[]];
  return keys.map((key) => ({ path: [...issue.path, ...key].join("."), reason: issue.message }));
};
