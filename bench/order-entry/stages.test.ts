import { expect, test } from "bun:test";
import { stagesIn } from "./stages.ts";

test("the stages of a header are read in its order, without their sum", () => {
  const header = "auth;dur=0.733, parse;dur=1.817, queue;dur=0, commit;dur=0.889, total;dur=20.435";
  expect(stagesIn(header)).toEqual([
    ["auth", 0.733],
    ["parse", 1.817],
    ["queue", 0],
    ["commit", 0.889],
  ]);
  expect(stagesIn("")).toEqual([]);
});
