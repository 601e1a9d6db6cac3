/** How the page and its drawings look, in light and in dark. */

/** In the order of a chart's series; told apart by those who see no red or green too. */
export const SERIES_COLOURS = [1, 2, 3, 4, 5, 6, 7, 8].map((i) => `var(--series-${i})`);

const LIGHT = `
  --paper: #ffffff; --raised: #f5f6f8; --ink: #1b2430; --soft: #556070; --line: #d5d9e0;
  --good: #12694a; --bad: #b3261e; --none: #556070; --link: #0b57a4; --on-series: #ffffff;
  --series-1: #0b62b0; --series-2: #b8470b; --series-3: #0a7a5a; --series-4: #8a3f9e;
  --series-5: #6d6100; --series-6: #a8275f; --series-7: #33567a; --series-8: #5d4a3a;`;

const DARK = `
  --paper: #12161c; --raised: #1b212a; --ink: #e6eaf0; --soft: #a3aebb; --line: #3a4350;
  --good: #5fd3a2; --bad: #ff8a80; --none: #a3aebb; --link: #7db8f5; --on-series: #10141a;
  --series-1: #62aef2; --series-2: #f79a5b; --series-3: #4fcf9f; --series-4: #d095e6;
  --series-5: #d8c84a; --series-6: #f286b0; --series-7: #9fb8d3; --series-8: #c9ac92;`;

/** Both sets, by what the reader's system prefers. */
export const COLOURS = `
:root {${LIGHT}
  color-scheme: light dark;
}
@media (prefers-color-scheme: dark) {
  :root {${DARK}
  }
}`;

export const STYLE = `${COLOURS}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.25rem 1rem 4rem; max-width: 64rem;
  background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif;
}
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.35rem; margin: 3rem 0 .25rem; padding-top: 1rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.75rem 0 .25rem; }
p { margin: .4rem 0; }
a { color: var(--link); }
.soft { color: var(--soft); font-size: .9rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .35rem 1.25rem; padding: 0; list-style: none; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 18rem), 1fr)); gap: .75rem; padding: 0; margin: 1rem 0; list-style: none; }
.card { background: var(--raised); border-left: 4px solid var(--none); border-radius: 4px; padding: .75rem 1rem; }
.card.met { border-color: var(--good); }
.card.not-met { border-color: var(--bad); }
.value { font-size: 1.6rem; font-weight: 650; line-height: 1.2; font-variant-numeric: tabular-nums; }
.verdict { font-weight: 600; white-space: nowrap; color: var(--none); }
.met .verdict { color: var(--good); }
.not-met .verdict { color: var(--bad); }
.warning { border-left: 4px solid var(--bad); background: var(--raised); padding: .4rem .8rem; margin: .4rem 0; }
figure { margin: 1rem 0; }
figcaption { color: var(--soft); font-size: .9rem; }
figure svg { width: 100%; height: auto; display: block; }
figure .narrow { display: none; }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .75rem .3rem 0; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
th { color: var(--soft); font-weight: 600; vertical-align: bottom; }
details { margin: .75rem 0; }
summary { cursor: pointer; }
dl { display: grid; grid-template-columns: minmax(7rem, max-content) 1fr; gap: .2rem 1rem; font-size: .9rem; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 40rem) {
  figure .wide { display: none; }
  figure .narrow { display: block; }
  dl { grid-template-columns: 1fr; }
  dd { margin-bottom: .4rem; }
}
@media print { details > * { display: block; } }
`;
