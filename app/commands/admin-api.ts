/** The operators' part of a running api, as commands ask it. */
import type { AccountId } from "../../shards/domain/brands.ts";
import { OperatingError, reasonOf, UsageError } from "../../shards/process/failure.ts";
import type { Config } from "../config.ts";
import { hostPort } from "./addresses.ts";
import { createSigner } from "./signing.ts";

export interface AdminFlags {
  readonly api?: string;
  readonly token?: string;
}

/** The answer's JSON, whatever it is. */
export interface AdminAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface AdminApi {
  /**
   * Throws OperatingError when nobody answers, UsageError when the token is not taken. A problem of
   * the shard is an answer.
   */
  ask(method: "GET" | "POST", path: string, body?: object): Promise<AdminAnswer>;
}

/** Only what operators may ask is asked with it. */
const TOKEN_ACCOUNT = 1 as AccountId;
const TOKEN_TTL_MS = 60_000;
/** Longer than an api takes for any answer unless it is configured otherwise. */
const ANSWER_MS_MAX = 30_000;

/** With `--token`, else one signed with the configured secret. */
export const adminApi = (config: Config, flags: AdminFlags): AdminApi => {
  const url = parseApi(flags.api ?? `http://${hostPort(config.host, config.port)}`);
  const token = async (): Promise<string> =>
    flags.token ?? createSigner(config).sign(TOKEN_ACCOUNT, ["admin"], TOKEN_TTL_MS);
  return {
    ask: async (method, path, body) => {
      const authorization = `Bearer ${await token()}`;
      const answer = await send(`${url}${path}`, method, authorization, body);
      if (answer.status !== 401 && answer.status !== 403) return answer;
      throw new UsageError(
        `${url} does not take the token (${answer.body.detail}): ` +
          "name one with the scope admin as --token, or the api's own secret.",
      );
    },
  };
};

const send = async (
  url: string,
  method: string,
  authorization: string,
  body: object | undefined,
): Promise<AdminAnswer> => {
  try {
    const response = await fetch(url, {
      method,
      headers: { authorization, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(ANSWER_MS_MAX),
    });
    const json = (await response.json()) as AdminAnswer["body"];
    return { status: response.status, body: json };
  } catch (error) {
    throw new OperatingError(
      "api_unreachable",
      `No answer from ${url} (${reasonOf(error)}): start the api, or name another with --api.`,
      { retryable: true, cause: error },
    );
  }
};

const parseApi = (text: string): string => {
  const url = URL.parse(text);
  if (url?.protocol === "http:" || url?.protocol === "https:") return text.replace(/\/+$/, "");
  throw new UsageError(`--api = ${JSON.stringify(text)}: expected like http://127.0.0.1:8080.`);
};

/** A problem's sentence. */
export const detailOf = ({ status, body }: AdminAnswer): string =>
  typeof body.detail === "string" ? body.detail : `status ${status}`;
