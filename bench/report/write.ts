/** Writes the page of a folder of results, and its main drawings as files of their own. */
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Chart } from "../support/chart.ts";
import { drawChart } from "./draw.ts";
import { renderPage } from "./page.ts";
import { readReports } from "./saved.ts";
import { COLOURS } from "./style.ts";

/** What was written. */
export interface WrittenReport {
  readonly page: string;
  readonly drawings: readonly string[];
}

export const writeReport = async (folder: string): Promise<WrittenReport> => {
  const reports = readReports(folder);
  for (const file of readdirSync(folder)) {
    if (file.endsWith(".svg")) rmSync(join(folder, file));
  }
  const page = join(folder, "report.html");
  writeFileSync(page, await renderPage(reports));
  const drawings = reports.flatMap(({ name, charts = [] }) =>
    charts
      .filter(({ isMain }) => isMain === true)
      .map((chart) => {
        const file = join(folder, `${name}-${chart.id}.svg`);
        writeFileSync(file, drawingFile(chart));
        return file;
      }),
  );
  return { page, drawings };
};

/** One drawing that stands alone: its own colours, its paper, and what it shows in words. */
const drawingFile = (chart: Chart): string => {
  const svg = drawChart(chart, "wide", chart.id);
  const words =
    `<title>${escaped(chart.title)}</title><desc>${escaped(chart.caption)}</desc>` +
    `<style>${COLOURS}</style><rect width="100%" height="100%" fill="var(--paper)"/>`;
  return `${svg.replace(/^<svg [^>]*>/, (head) => `${head}${words}`)}\n`;
};

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
