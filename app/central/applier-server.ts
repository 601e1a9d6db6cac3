/**
 * The applier's door: relays push over a WebSocket, operators read health and metrics over HTTP on
 * the same port. A connection is one shard's, named in its hello; what it sends that can't be read
 * closes that connection with the reason, and never more than that.
 */
import { timingSafeEqual } from "node:crypto";
import type { Server, ServerWebSocket } from "bun";
import { OperatingError, reasonOf } from "../../shards/process/failure.ts";
import type { Logger } from "../../shards/process/logger.ts";
import type { Registry } from "../../shards/process/metrics.ts";
import { decodeFrame, encodeFrame, type Frame, FrameError } from "../../shards/protocol/frame.ts";
import { APPLIER_PATH, HELLO, readHello, WELCOME } from "../../shards/protocol/hello.ts";
import {
  APPLIED,
  ASK,
  type CentralStanding,
  CLAIM,
  decodeRecords,
  GRANTED,
  RECORDS,
  readClaim,
  STANDING,
  STOPPED,
} from "../../shards/protocol/relay.ts";
import type { Applier } from "./applier.ts";
import type { CentralStore, Push, PushResult } from "./store.ts";

export interface ApplierServerOptions {
  readonly listen: { readonly host: string; readonly port: number };
  /** Empty on loopback: then none is asked for. */
  readonly clusterSecret: string;
  readonly store: CentralStore;
  readonly applier: Applier;
  readonly registry: Registry;
  readonly logger: Logger;
}

/** Bytes of one message: a relay's largest push is far below. */
const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;
/** Bun pings an idle connection within this time and closes it when nothing comes back. */
const IDLE_SECONDS_MAX = 30;
/** RFC 6455: what came breaks the rules; try again later. */
const CLOSE_POLICY = 1008;
const CLOSE_LATER = 1013;
/** RFC 6455: a control frame's body has 125 bytes, two of them the code. */
const CLOSE_REASON_MAX = 120;

interface Connection {
  /** null before the hello. */
  shard: string | null;
}
type Socket = ServerWebSocket<Connection>;

/** Throws what Bun throws when the port is taken. */
export const serveApplier = (options: ApplierServerOptions): Server<Connection> =>
  Bun.serve<Connection>({
    hostname: options.listen.host,
    port: options.listen.port,
    fetch: (request, server) => answerHttp(options, request, server),
    websocket: {
      data: {} as Connection,
      maxPayloadLength: MESSAGE_BYTES_MAX,
      idleTimeout: IDLE_SECONDS_MAX,
      sendPings: true,
      message: (socket, message) => receive(options, socket, message),
    },
  });

const answerHttp = async (
  { registry }: ApplierServerOptions,
  request: Request,
  server: Server<Connection>,
): Promise<Response | undefined> => {
  const { pathname } = new URL(request.url);
  if (pathname === APPLIER_PATH) {
    // Browsers send it with every WebSocket, our processes never: no web page may speak here.
    if (request.headers.has("origin")) {
      return new Response("not for web pages\n", { status: 403 });
    }
    if (server.upgrade(request, { data: { shard: null } })) return undefined;
    return new Response("a WebSocket is expected here\n", { status: 426 });
  }
  if (pathname === "/healthz") return Response.json({ status: "ok" });
  if (pathname === "/metrics") {
    const headers = { "content-type": registry.contentType };
    return new Response(await registry.metrics(), { headers });
  }
  return new Response("not found\n", { status: 404 });
};

const receive = async (
  options: ApplierServerOptions,
  socket: Socket,
  message: string | Buffer,
): Promise<void> => {
  try {
    if (typeof message !== "string") throw new FrameError("a binary message");
    await perform(options, socket, decodeFrame(message));
  } catch (error) {
    const code = closeCodeOf(error);
    const reason = reasonOf(error);
    options.logger.error({ err: error, shard: socket.data.shard }, `connection closed: ${reason}`);
    socket.close(code, Buffer.from(reason).subarray(0, CLOSE_REASON_MAX).toString());
  }
};

/** What is neither the other side's fault nor passing is a defect: it ends the process. */
const closeCodeOf = (error: unknown): number => {
  if (error instanceof FrameError) return CLOSE_POLICY;
  if (error instanceof OperatingError && error.retryable) return CLOSE_LATER;
  throw error;
};

const perform = async (
  options: ApplierServerOptions,
  socket: Socket,
  { kind, entries }: Frame,
): Promise<void> => {
  if (kind === HELLO) return greet(options, socket, entries);
  const { shard } = socket.data;
  if (shard === null) throw new FrameError(`${kind} before ${HELLO}`);
  switch (kind) {
    case RECORDS: {
      const push = decodeRecords(entries);
      expectOwn(shard, push[0]?.shard);
      return answerPush(options, socket, push);
    }
    case ASK:
      socket.send(encodeFrame(STANDING, [JSON.stringify(await standingOf(options.store, shard))]));
      return;
    case CLAIM: {
      const claim = readClaim(entries);
      expectOwn(shard, claim.shard);
      const grant = await options.store.claimEpoch(claim);
      options.logger.info({ claim, granted: grant.granted, epoch: grant.epoch }, "epoch claimed");
      socket.send(encodeFrame(GRANTED, [JSON.stringify(grant)]));
      return;
    }
    default:
      throw new FrameError(`${kind} is nothing that an applier takes`);
  }
};

const greet = async (
  { clusterSecret, store }: ApplierServerOptions,
  socket: Socket,
  entries: readonly string[],
): Promise<void> => {
  const hello = readHello(entries);
  if (hello.role !== "shard") throw new FrameError(`an applier serves shards, not ${hello.role}`);
  if (clusterSecret !== "" && !sameSecret(hello.secret, clusterSecret)) {
    throw new FrameError("the cluster secret (SLUICE_CLUSTER_SECRET) is not this applier's");
  }
  const [epoch, cursors] = await Promise.all([
    store.grantedEpoch(hello.name),
    store.cursors(hello.name),
  ]);
  socket.data.shard = hello.name;
  const welcome = { centralId: store.centralId, epoch, cursors };
  socket.send(encodeFrame(WELCOME, [JSON.stringify(welcome)]));
};

const standingOf = async (store: CentralStore, shard: string): Promise<CentralStanding> => {
  const [epoch, cursors, streams] = await Promise.all([
    store.grantedEpoch(shard),
    store.cursors(shard),
    store.stoppedStreams(),
  ]);
  const stopped = streams
    .filter((one) => one.shard === shard && one.epoch === epoch)
    .map(({ partition, code, detail }) => ({ partition, code, detail }));
  return { centralId: store.centralId, epoch, cursors: [...cursors], stopped };
};

/** Hashed first, so that neither the length nor the first wrong byte shows in the time. */
const sameSecret = (given: string, expected: string): boolean => {
  const digest = (text: string): Uint8Array => Bun.SHA256.hash(text) as Uint8Array;
  return timingSafeEqual(digest(given), digest(expected));
};

const expectOwn = (shard: string, named: string | undefined): void => {
  if (named !== shard) throw new FrameError(`${shard}'s connection speaks of ${named ?? "nobody"}`);
};

const answerPush = async (
  { applier, logger }: ApplierServerOptions,
  socket: Socket,
  push: Push,
): Promise<void> => {
  const { cursor, stopped, applied, isNewStop }: PushResult = await applier.push(push);
  if (stopped === null || applied > 0) {
    socket.send(encodeFrame(APPLIED, [JSON.stringify(cursor)]));
  }
  if (stopped === null) return;
  const { shard } = socket.data;
  if (isNewStop) logger.error({ shard, epoch: push[0]?.epoch, ...stopped }, "stream stopped");
  socket.send(encodeFrame(STOPPED, [JSON.stringify(stopped)]));
};
