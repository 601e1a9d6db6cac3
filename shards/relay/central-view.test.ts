import { afterEach, describe, expect, test } from "bun:test";
import {
  FakeApplier,
  type Peer,
  reasonFor,
  say,
  unreachable,
} from "../../tests/support/applier.ts";
import { type Hello, WELCOME } from "../protocol/hello.ts";
import { ASK, type CentralStanding, STANDING } from "../protocol/relay.ts";
import { ApplierView } from "./central-view.ts";

const HELLO: Hello = { role: "shard", name: "shard1", secret: "s" };
const WELCOME_BODY = { centralId: "central-1", epoch: 1, cursors: [] };
const standingOf = (seq: number): CentralStanding => ({
  centralId: "central-1",
  epoch: 1,
  cursors: [{ partition: 0, epoch: 1, seq, hash: "ab".repeat(32) }],
  stopped: [{ partition: 2, code: "gap", detail: "3 is missing" }],
});

let applier: FakeApplier | undefined;
let view: ApplierView | undefined;
afterEach(async () => {
  view?.close();
  await applier?.stop();
  view = undefined;
  applier = undefined;
});

/** Answers questions as `onAsk` says; greets everybody. */
const start = (onAsk: (socket: Peer) => void): { applier: FakeApplier; view: ApplierView } => {
  const started = new FakeApplier(({ kind }, socket) => {
    if (kind === "hello") say(socket, WELCOME, WELCOME_BODY);
    else onAsk(socket);
  });
  applier = started;
  view = new ApplierView(started.url, HELLO);
  return { applier: started, view };
};

describe("central's word through an applier", () => {
  test("is asked for over one connection", async () => {
    let seq = 0;
    const one = start((socket) => say(socket, STANDING, standingOf(++seq)));
    expect(await one.view.ask()).toEqual(standingOf(1));
    expect(await one.view.ask()).toEqual(standingOf(2));
    const hello = { kind: "hello", entries: [JSON.stringify(HELLO)] };
    const ask = { kind: ASK, entries: [] };
    expect(one.applier.frames).toEqual([hello, ask, ask]);
  });

  test("is shared by all who ask before it has come", async () => {
    const asked = Promise.withResolvers<Peer>();
    const one = start((socket) => asked.resolve(socket));
    const answers = [one.view.ask(), one.view.ask()];
    say(await asked.promise, STANDING, standingOf(5));
    expect(await Promise.all(answers)).toEqual([standingOf(5), standingOf(5)]);
    expect(one.applier.frames).toHaveLength(2);
  });

  test.each<[string, (socket: Peer) => void, RegExp]>([
    ["closes", (socket) => socket.close(1000, "going away"), /going away/],
    ["dies", (socket) => socket.terminate(), /closed|not reachable|reset|failed|ended/i],
    ["says what nobody knows", (socket) => say(socket, "weather", {}), /unexpected weather/],
    ["says what can't be read", (socket) => socket.sendText("???"), /not a frame/],
    ["says half of it", (socket) => say(socket, STANDING, { cursors: [] }), /applier message/],
  ])("fails when the applier %s, and is there with the next question", async (_, end, why) => {
    let isWell = false;
    const one = start((socket) => {
      if (isWell) say(socket, STANDING, standingOf(1));
      else end(socket);
    });
    expect(await reasonFor(one.view.ask())).toEqual(unreachable(why));
    isWell = true;
    expect(await one.view.ask()).toEqual(standingOf(1));
  });

  test("is not what a connection says that was given up", async () => {
    const sockets: Peer[] = [];
    const one = start((socket) => {
      sockets.push(socket);
      if (sockets.length === 1) say(socket, "weather", {});
      else {
        say(sockets[0] as Peer, STANDING, standingOf(9));
        say(socket, STANDING, standingOf(1));
      }
    });
    await reasonFor(one.view.ask());
    expect(await one.view.ask()).toEqual(standingOf(1));
  });

  test("can't be had where nobody listens", async () => {
    const one = start(() => {});
    await one.applier.stop();
    expect(await reasonFor(one.view.ask())).toEqual(unreachable(/ws:/));
  });

  test("is no more when it is closed, also for who waits", async () => {
    const asked = Promise.withResolvers<Peer>();
    const one = start((socket) => asked.resolve(socket));
    const waiting = reasonFor(one.view.ask());
    await asked.promise;
    one.view.close();
    expect(await waiting).toEqual(unreachable(/closed/));
    expect(await reasonFor(one.view.ask())).toEqual(unreachable(/closed/));
    await one.applier.closed.promise;
  });

  test("leaves no connection when it is closed while it connects", async () => {
    const greeted = Promise.withResolvers<Peer>();
    applier = new FakeApplier((_, socket) => greeted.resolve(socket));
    view = new ApplierView(applier.url, HELLO);
    const waiting = reasonFor(view.ask());
    const socket = await greeted.promise;
    view.close();
    expect(await waiting).toEqual(unreachable(/closed/));
    say(socket, WELCOME, WELCOME_BODY);
    await applier.closed.promise;
    expect(applier.frames.map(({ kind }) => kind)).not.toContain(ASK);
  });
});
