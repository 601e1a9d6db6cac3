import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { temporaryFolder } from "../../tests/support/shard-file.ts";
import { START_AT } from "../../tests/support/shard-state.ts";
import { lockShardFile } from "../store/open-shard.ts";

describe("the lock of a shard's file", () => {
  test("is free again once it was released, also in this process", () => {
    const folder = temporaryFolder();
    const path = join(folder.path, "shard1.lock");
    lockShardFile(path, START_AT).release();
    lockShardFile(path, START_AT).release();
  });

  test("is refused while another process lives, which is named, and free once it is killed", async () => {
    const folder = temporaryFolder();
    const path = join(folder.path, "shard1.lock");
    const script = `
      import { lockShardFile } from ${JSON.stringify(join(import.meta.dir, "../store/open-shard.ts"))};
      lockShardFile(${JSON.stringify(path)}, 1);
      console.log("held");
      setInterval(() => {}, 1000);
    `;
    const owner = Bun.spawn([process.execPath, "-e", script], {
      stdout: "pipe",
      stderr: "inherit",
    });
    try {
      const { value } = await owner.stdout.getReader().read();
      expect(Buffer.from(value ?? []).toString()).toBe("held\n");
      expect(() => lockShardFile(path, START_AT)).toThrow(
        new RegExp(`is held by process ${owner.pid}: one process at a time writes a shard`),
      );
    } finally {
      owner.kill("SIGKILL");
      await owner.exited;
    }
    lockShardFile(path, START_AT).release();
  });
});
