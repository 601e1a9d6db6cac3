import { Document, isMap, isScalar, type YAMLMap } from "yaml";
import type { EffectiveSetting } from "../config.ts";

const MASK = "********";

/** `sluice config`: a file that `--config` would take, each line with who gave the value. */
export const renderConfig = (effective: readonly EffectiveSetting[]): string => {
  const document = new Document({});
  for (const setting of effective) {
    const path = setting.path.split(".");
    const value = setting.secret && setting.value !== undefined ? MASK : readable(setting.value);
    document.setIn(path, document.createNode(value ?? null));
    annotate(document.contents as YAMLMap, path, setting);
  }
  return document.toString({ lineWidth: 0 });
};

const annotate = (map: YAMLMap, path: readonly string[], setting: EffectiveSetting): void => {
  const comment = setting.value === undefined ? " not set" : ` ${setting.source}`;
  const node = map.getIn(path, true);
  if (isScalar(node)) node.comment = comment;
  else if (isMap(node)) node.commentBefore = comment;
};

/** Numbers come as text from flags and the environment. */
const readable = (value: unknown): unknown =>
  typeof value === "string" && /^(0|[1-9]\d{0,14})$/.test(value) ? Number(value) : value;
