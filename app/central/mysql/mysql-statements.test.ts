import { expect, test } from "bun:test";
import { putAside } from "./mysql-statements.ts";

test.each(["k", "é", "漢", "😀"])(
  "a key of many %s that is put aside fits its column",
  (letter) => {
    const statement = putAside(
      [
        {
          partition: 0,
          offset: "7",
          shard: null,
          epoch: null,
          seq: null,
          code: "unreadable",
          detail: "version is missing",
          key: letter.repeat(70_000),
          headers: "{}",
          value: "",
        },
      ],
      1,
    );
    const [, key = ""] = new RegExp(`'(${letter}+)'`, "u").exec(statement) ?? [];
    expect(Buffer.byteLength(key)).toBeGreaterThan(15_000);
    // TEXT
    expect(Buffer.byteLength(key)).toBeLessThan(2 ** 16);
  },
);
