/**
 * The readable documents: Swagger UI and the table of errors. Everything comes from this process
 * (the files are embedded in the compiled binary), nothing from elsewhere, and no inline script.
 */

import stylePath from "swagger-ui-dist/swagger-ui.css" with { type: "file" };
import bundlePath from "swagger-ui-dist/swagger-ui-bundle.js" with { type: "file" };
import { CODES, type CodeEntry } from "../../../shards/domain/codes.ts";
import { Reply } from "../reply.ts";
import type { Route } from "../route.ts";

const HTML = "text/html; charset=utf-8";
const SCRIPT = "text/javascript; charset=utf-8";
const STYLE = "text/css; charset=utf-8";
const PAGE_HEADERS = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; " +
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'",
};
const ASSET_HEADERS = { "Cache-Control": "public, max-age=3600" };

const SWAGGER_PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Sluice API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`;

const START_SCRIPT = `SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
});
`;

export const docsRoutes = (openapi: string): readonly Route[] => [
  page("/openapi.json", () => new Reply(200, openapi)),
  page("/docs", () => new Reply(200, SWAGGER_PAGE, HTML, PAGE_HEADERS)),
  page("/docs/errors", () => new Reply(200, ERRORS_PAGE, HTML, PAGE_HEADERS)),
  page("/docs/start.js", () => new Reply(200, START_SCRIPT, SCRIPT, ASSET_HEADERS)),
  page("/docs/swagger-ui-bundle.js", () => asset(bundlePath, SCRIPT)),
  page("/docs/swagger-ui.css", () => asset(stylePath, STYLE)),
];

const page = (path: string, handle: Route["handle"]): Route => ({
  method: "GET",
  path,
  scope: null,
  handle,
});

const asset = async (path: string, contentType: string): Promise<Reply> =>
  new Reply(200, await Bun.file(path).text(), contentType, ASSET_HEADERS);

const EFFECTS = {
  none: "nothing",
  stored: "refused; the refusal is stored and given again for the same client order id",
  unknown: "not known: ask again with the same client order id, the answer is then certain",
} as const satisfies Record<CodeEntry["effect"], string>;

const errorRow = ([code, { status, title, effect }]: [string, CodeEntry]): string =>
  `<tr id="${code}"><td><a href="#${code}"><code>${code}</code></a></td>` +
  `<td>${status}</td><td>${title}</td><td>${EFFECTS[effect]}</td></tr>`;

const ERRORS_PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Sluice errors</title>
<link rel="icon" href="data:,">
<style>
body { font-family: sans-serif; margin: 2rem; }
table { border-collapse: collapse; }
td, th { border: 1px solid #ccc; padding: 0.4rem 0.8rem; text-align: left; }
tr:target { background: #fff3c4; }
</style>
</head>
<body>
<h1>Errors</h1>
<p>Problems are <code>application/problem+json</code> (RFC 9457); <code>code</code> is one of these.</p>
<table>
<thead><tr><th>Code</th><th>Status</th><th>Meaning</th><th>What happened</th></tr></thead>
<tbody>
${Object.entries(CODES).map(errorRow).join("\n")}
</tbody>
</table>
</body>
</html>
`;
