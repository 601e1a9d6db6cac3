/**
 * JSON.parse that gives each number as the text it was written with, so that 4.97038E7 and
 * 0.10000000000000000001 are read exactly. (ECMAScript "JSON.parse source text access".)
 */
export const parseJsonExact = (text: string): unknown => JSON.parse(text, numberAsText);

const numberAsText = (
  _key: string,
  value: unknown,
  context?: { readonly source?: string },
): unknown => (typeof value === "number" ? context?.source : value);
