import { expect, test } from "bun:test";
import { durationText, sizeText } from "./units.ts";

test.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1024, "1.0 KiB"],
  [1.5 * 1024 ** 3, "1.5 GiB"],
  [5000 * 1024 ** 4, "5000.0 TiB"],
])("%d bytes are %s", (bytes, text) => {
  expect(sizeText(bytes)).toBe(text);
});

test.each([
  [0, "0 ms"],
  [999, "999 ms"],
  [1000, "1 s"],
  [90_000, "1.5 min"],
  [3_600_000, "1 h"],
  [14 * 86_400_000, "14 d"],
])("%d ms are %s", (ms, text) => {
  expect(durationText(ms)).toBe(text);
});
