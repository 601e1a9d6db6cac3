import { createHash } from "node:crypto";
import type {
  AccountId,
  CanonicalDecimal,
  ClientOrderId,
  InstrumentSymbol,
} from "../../shards/domain/brands.ts";
import type { Command } from "../../shards/domain/command.ts";
import type { RestingTime } from "../load/orders.ts";

type Place = Extract<Command, { readonly kind: "place" }>;

/** What a plain order leaves at its defaults. */
export const PLAIN = {
  stopPrice: null,
  workingType: null,
  reduceOnly: false,
  closePosition: false,
  positionSide: "BOTH",
  selfTradePrevention: "NONE",
  takeProfit: null,
  stopLoss: null,
} as const;

const ACCOUNTS = 64;
const FIRST_ACCOUNT = 1001;

/** Placements with client order ids that are random (18 hex digits) and repeat with the same seed. */
export class PlaceCommands {
  readonly #seed: string;
  readonly #timeInForce: RestingTime;
  #number = 0;

  constructor(seed: string, timeInForce: RestingTime) {
    this.#seed = seed;
    this.#timeInForce = timeInForce;
  }

  take(count: number): Place[] {
    const commands: Place[] = [];
    for (let i = 0; i < count; i++) commands.push(this.#next());
    return commands;
  }

  #next(): Place {
    this.#number++;
    const account = this.#number % ACCOUNTS;
    const digest = createHash("sha1").update(`${this.#seed}:${this.#number}`).digest("hex");
    return {
      kind: "place",
      accountId: (FIRST_ACCOUNT + account) as AccountId,
      request: {
        clientOrderId: `o-${digest.slice(0, 18)}` as ClientOrderId,
        symbol: "BTCUSDT" as InstrumentSymbol,
        side: account % 2 === 0 ? "BUY" : "SELL",
        type: "LIMIT",
        timeInForce: this.#timeInForce,
        goodTillDate: null,
        price: `${50_000 + account}.1` as CanonicalDecimal,
        quantity: "0.01" as CanonicalDecimal,
        ...PLAIN,
      },
    };
  }
}
