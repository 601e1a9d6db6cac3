/**
 * Draws a chart as SVG text, with ECharts and without a browser. Colours are CSS variables of
 * `style.ts`, so that one drawing serves light and dark.
 */
import { BarChart, LineChart } from "echarts/charts";
import { GridComponent, LegendComponent, MarkLineComponent } from "echarts/components";
import { type EChartsCoreOption, init, setPlatformAPI, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import type { Axis, Chart, Point, Series } from "../support/chart.ts";
import { whole } from "../support/report.ts";
import { SERIES_COLOURS } from "./style.ts";

/** Of a letter, for each pixel of the font's size: on the wide side, since no font is known here. */
const LETTER_WIDTH = 0.62;
const FONT_SIZE = 13;

setPlatformAPI({ measureText: (text) => ({ width: text.length * FONT_SIZE * LETTER_WIDTH }) });
use([BarChart, LineChart, GridComponent, LegendComponent, MarkLineComponent, SVGRenderer]);

/** For a desk, and for a phone, where text of the wide one would be too small to read. */
export const FORMS = {
  wide: { width: 900, height: 380 },
  narrow: { width: 380, height: 360 },
} as const;
export type Form = keyof typeof FORMS;

const FONT = "system-ui, sans-serif";
const LEGEND_ITEM = 22;
const LEGEND_GAP = 14;
const INK = "var(--ink)";
const FAINT = "var(--line)";
const MARK = "var(--bad)";
/** Told apart by more than their colour. */
const SYMBOLS = ["circle", "rect", "triangle", "diamond"] as const;
/** Beyond it single points are not marked. */
const SYMBOLS_MAX = 20;
/** Bars beyond it have no number of their own. */
const BAR_LABELS_MAX = { wide: 14, narrow: 6 } as const;
/** Share of the longest bar that a part needs to have its number in it. */
const PART_LABEL_SHARE = { wide: 0.05, narrow: 0.14 } as const;
/** A lying bar with what is between it and the next, pixels. */
const LYING_BAR = { wide: 46, narrow: 62 } as const;

/** `prefix` keeps the ids inside apart from those of other drawings on a page. */
export const drawChart = (chart: Chart, form: Form, prefix: string): string => {
  const { width } = FORMS[form];
  const names = namesOf(chart);
  const legend = legendRows(chart, width);
  const top = (chart.kind === "stack" ? 12 : 42) + legend * 22;
  const height =
    chart.kind === "stack"
      ? top + 56 + names.length * LYING_BAR[form]
      : FORMS[form].height + legend * 22;
  const drawing = init(null, null, { renderer: "svg", ssr: true, width, height });
  try {
    drawing.setOption({
      animation: false,
      color: SERIES_COLOURS,
      textStyle: { fontFamily: FONT, fontSize: FONT_SIZE, color: INK },
      legend: {
        show: legend > 0,
        top: 4,
        left: 0,
        right: 0,
        itemGap: LEGEND_GAP,
        itemWidth: LEGEND_ITEM,
        selectedMode: false,
        textStyle: { color: INK, fontFamily: FONT, fontSize: FONT_SIZE },
        inactiveColor: FAINT,
      },
      grid: { left: 8, right: 24, top, bottom: 8 },
      ...optionOf(chart, form, names),
    });
    return cleaned(drawing.renderToSVGString(), prefix);
  } finally {
    drawing.dispose();
  }
};

/** Without what a script of the page would use: there is none. */
const cleaned = (svg: string, prefix: string): string =>
  svg
    .replace(/<style\s*>[\s\S]*?<\/style>/, "")
    .replaceAll(/ (ecmeta_\w+|class|xmlns:xlink|pointer-events)="[^"]*"/g, "")
    .replaceAll(/\bzr\d+-/g, `${prefix}-`);

/** Names along x in the order in which they come; empty when x is a number. */
const namesOf = ({ series }: Chart): readonly string[] => [
  ...new Set(
    series.flatMap(({ points }) =>
      points.map(([x]) => x).filter((x): x is string => typeof x === "string"),
    ),
  ),
];

/** About: the library does not say how many lines its legend takes. */
const legendRows = ({ series }: Chart, width: number): number => {
  if (series.length === 1) return 0;
  let rows = 1;
  let used = 0;
  for (const { name } of series) {
    const one = LEGEND_ITEM + 5 + LEGEND_GAP + name.length * FONT_SIZE * LETTER_WIDTH;
    if (used > 0 && used + one > width) {
      rows++;
      used = 0;
    }
    used += one;
  }
  return rows;
};

const optionOf = (chart: Chart, form: Form, names: readonly string[]): EChartsCoreOption => {
  if (chart.kind === "stack") return stackOption(chart, form, names);
  const x = names.length > 0 ? nameAxis(chart.x, names) : valueAxis(chart.x, "x");
  const isLines = chart.kind === "lines";
  return {
    xAxis: { ...x, nameLocation: "middle", nameGap: 30, splitLine: { show: false } },
    yAxis: {
      ...valueAxis(chart.y, "y"),
      // Room for the number on the tallest bar.
      ...(isLines ? {} : { boundaryGap: [0, "8%"] }),
      nameLocation: "end",
      nameTextStyle: { ...TEXT, align: "left" },
    },
    series: chart.series.map((one, i) => ({
      name: one.name,
      data: dataOf(chart, one, names),
      silent: true,
      ...(isLines ? lineOf(one, i) : barOf(chart, form)),
      ...(i === 0 ? marksOf(chart) : {}),
    })),
  };
};

const TEXT = { color: INK, fontFamily: FONT, fontSize: FONT_SIZE, lineHeight: 17 } as const;

const lineOf = ({ points }: Series, i: number): object => ({
  type: "line",
  symbol: SYMBOLS[i % SYMBOLS.length],
  symbolSize: 8,
  showSymbol: points.length <= SYMBOLS_MAX,
  // A filled point; the library's own is white inside, which no dark page bears.
  itemStyle: { color: SERIES_COLOURS[i % SERIES_COLOURS.length] },
  lineStyle: { width: 2.5 },
});

const barOf = (chart: Chart, form: Form): object => {
  const bars = chart.series.reduce((sum, { points }) => sum + points.length, 0);
  return {
    type: "bar",
    barMaxWidth: 64,
    label: {
      ...BARE_TEXT,
      show: bars <= BAR_LABELS_MAX[form],
      position: "top",
      color: INK,
      formatter: ({ value }: { readonly value: number | null }) => numberText(value),
    },
  };
};

/** No outline in a colour that only a light page has. */
const BARE_TEXT = { ...TEXT, textBorderWidth: 0 } as const;

const marksOf = ({ marks = [] }: Chart): object =>
  marks.length === 0
    ? {}
    : {
        markLine: {
          silent: true,
          symbol: "none",
          lineStyle: { color: MARK, type: "dashed", width: 1.5 },
          label: { ...BARE_TEXT, color: MARK, position: "insideEndTop", formatter: "{b}" },
          data: marks.map(({ label, at }) => ({ name: label, yAxis: at })),
        },
      };

/** Lying bars, the first one on top, with the sum beside each name. */
const stackOption = (chart: Chart, form: Form, names: readonly string[]): EChartsCoreOption => {
  const sums = names.map((name) =>
    chart.series.reduce((sum, one) => sum + (valueAt(one, name) ?? 0), 0),
  );
  const least = Math.max(...sums) * PART_LABEL_SHARE[form];
  const labels = names.map((name, i) => `${name}\n${numberText(sums[i] ?? 0)}`);
  return {
    xAxis: { ...valueAxis(chart.y, "x"), nameLocation: "middle", nameGap: 30 },
    yAxis: {
      ...nameAxis({ label: "" }, labels),
      inverse: true,
      axisLabel: {
        ...TEXT,
        interval: 0,
        width: form === "wide" ? 200 : 120,
        overflow: "break",
      },
    },
    series: chart.series.map((one) => ({
      name: one.name,
      type: "bar",
      stack: "all",
      barWidth: 26,
      silent: true,
      data: names.map((name) => valueAt(one, name)),
      label: {
        ...BARE_TEXT,
        show: true,
        color: "var(--on-series)",
        formatter: ({ value }: { readonly value: number | null }) =>
          value === null || value < least ? "" : numberText(value),
      },
    })),
  };
};

const valueAt = ({ points }: Series, name: string): number | null =>
  points.find(([x]) => x === name)?.[1] ?? null;

const dataOf = (
  { x, y }: Chart,
  one: Series,
  names: readonly string[],
): readonly (number | null | Point)[] => {
  const drawable = (axis: Axis, value: number | null): number | null =>
    value !== null && axis.scale === "log" && value <= 0 ? null : value;
  if (names.length > 0) return names.map((name) => drawable(y, valueAt(one, name)));
  return one.points
    .filter(([at]) => drawable(x, Number(at)) !== null)
    .map(([at, value]): Point => [at, drawable(y, value)]);
};

const nameText = ({ label, unit }: Axis): string =>
  unit === undefined ? label : `${label}, ${unit}`;

const AXIS = {
  nameTextStyle: TEXT,
  axisLine: { lineStyle: { color: FAINT } },
  axisTick: { lineStyle: { color: FAINT } },
  splitLine: { lineStyle: { color: FAINT } },
} as const;

const nameAxis = (axis: Axis, names: readonly string[]): object => ({
  ...AXIS,
  type: "category",
  name: nameText(axis),
  data: names,
  axisLabel: { ...TEXT, interval: 0, hideOverlap: true },
});

const valueAxis = (axis: Axis, along: "x" | "y"): object => ({
  ...AXIS,
  type: axis.scale === "log" ? "log" : "value",
  name: nameText(axis),
  splitNumber: along === "x" ? 4 : 5,
  axisLabel: { ...TEXT, hideOverlap: true, formatter: numberText },
});

/** Whole numbers with spaces between thousands; small ones with three digits that count. */
export const numberText = (value: number | null): string => {
  if (value === null) return "";
  if (Math.abs(value) >= 100) return whole(value);
  return String(Number(value.toPrecision(3)));
};
