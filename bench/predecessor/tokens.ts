/** HS256 tokens, verified once and then known by their text until they end. */
import { jwtVerify } from "jose";

interface KnownToken {
  readonly accountId: number;
  /** Milliseconds since 1970. */
  readonly endsAt: number;
}

const KNOWN_MAX = 50_000;

export class Tokens {
  readonly #key: Uint8Array;
  readonly #known = new Map<string, KnownToken>();

  constructor(secret: string) {
    this.#key = new TextEncoder().encode(secret);
  }

  /** The account of an `Authorization` header; null when it may not trade. */
  async accountOf(header: string | null): Promise<number | null> {
    if (header === null || !header.startsWith("Bearer ")) return null;
    const known = this.#known.get(header);
    if (known !== undefined && known.endsAt > Date.now()) return known.accountId;
    try {
      const { payload } = await jwtVerify(header.slice("Bearer ".length), this.#key, {
        algorithms: ["HS256"],
      });
      const accountId = Number(payload.sub);
      const scopes = String(payload.scope ?? "").split(" ");
      if (!Number.isSafeInteger(accountId) || !scopes.includes("trade")) return null;
      if (this.#known.size >= KNOWN_MAX) this.#known.clear();
      this.#known.set(header, { accountId, endsAt: (payload.exp ?? 0) * 1000 });
      return accountId;
    } catch {
      return null;
    }
  }
}
