/** What a start asks central: the epoch for a new file, or where central stands with an old one. */
import { OperatingError } from "../process/failure.ts";
import type { ApplierWelcome, Hello } from "../protocol/hello.ts";
import { CLAIM, type Claim, GRANTED, type Grant, readGrant } from "../protocol/relay.ts";
import { type ApplierSocket, connectApplier } from "./applier-socket.ts";

/** Central may look through all its orders for the shard's newest; a lost connection ends the wait. */
const ANSWER_TIMEOUT_MS = 600_000;

/** Central's cursors for this shard. Throws a retryable OperatingError when it is not there. */
export const askStanding = async (url: string, hello: Hello): Promise<ApplierWelcome> => {
  const socket = await connectApplier(url, hello, { onFrame: () => {}, onLost: () => {} });
  socket.close();
  return socket.welcome;
};

/** Asks once. Throws a retryable OperatingError when central is not there. */
export const claimEpoch = async (url: string, hello: Hello, claim: Claim): Promise<Grant> => {
  const { promise, resolve, reject } = Promise.withResolvers<Grant>();
  const timeout = new OperatingError("central_unreachable", "no answer to the claim", {
    retryable: true,
  });
  const timer = setTimeout(() => reject(timeout), ANSWER_TIMEOUT_MS);
  let socket: ApplierSocket | undefined;
  try {
    socket = await connectApplier(url, hello, {
      onFrame: (frame) => {
        if (frame.kind === GRANTED) resolve(readGrant(frame.entries));
      },
      onLost: reject,
    });
    socket.send(CLAIM, [JSON.stringify(claim)]);
    return await promise;
  } finally {
    clearTimeout(timer);
    promise.catch(() => {});
    socket?.close();
  }
};
