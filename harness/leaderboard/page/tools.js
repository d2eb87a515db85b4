"use strict";
// Elements, numbers as people read them, and the page's data. Text only ever becomes text, never markup.

const SPLITS = ["test", "val"];
const SIGNS = { helps: "▲", hurts: "▼", "can't tell": "○" };

function fill(node, attributes, inside) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== undefined && value !== null) node.setAttribute(name, value);
  }
  node.append(...inside.flat().filter((part) => part !== null && part !== undefined && part !== false));
  return node;
}

const element = (name, attributes, ...inside) => fill(document.createElement(name), attributes, inside);
const drawn = (name, attributes, ...inside) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, inside);
const named = (text) => element("bdi", null, text);
const at = (id) => document.getElementById(id);

/** What the script block `data-ID` holds, read when it is first asked for. */
function lazily(id, read) {
  let value;
  return () => (value === undefined ? (value = at(`data-${id}`) ? read(at(`data-${id}`).textContent) : null) : value);
}

const board = JSON.parse(at("data-board").textContent);
const details = lazily("details", (text) => text.split("\n"));
const clips = lazily("clips", JSON.parse);
const shared = lazily("shared", JSON.parse);

const runs = board.rows.map((row, place) => ({
  place, id: row[0], dataset: board.datasets[row[1]], method: board.methods[row[2]], seed: row[3], fold: row[4],
  state: row[5], selection: board.selections[row[6]], variant: board.variants[row[7]], errors: row[8],
  warnings: row[9], levels: row[10],
  test: row[11].slice(0, board.metrics.length), val: row[11].slice(board.metrics.length),
}));
const effects = board.effects.map((row) => {
  const [kind, dataset, metric, factor, effect, low, high, p, corrected, pairs, seeds, word, seedsOnly] = row;
  return { kind, dataset, metric, factor, effect, low, high, p, corrected, pairs, seeds, word, seedsOnly };
});
const headings = Object.fromEntries([...board.datasets.map((d) => [d.name, d.heading]), ["all", board.all]]);

const known = (value) => value !== null && value !== undefined;
const percent = (value) => (known(value) ? (100 * value).toFixed(1) : "–");
const count = (n, noun) => `${grouped(n)} ${noun}${n === 1 ? "" : "s"}`;
const grouped = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ",");

function points(value) {
  if (!known(value)) return "–";
  const text = (100 * value).toFixed(1);
  return Number(text) === 0 ? "0.0" : value > 0 ? `+${text}` : text.replace("-", "−");
}

function short(value) {
  if (!known(value)) return "–";
  const size = Math.abs(value);
  const text = size && (size < 0.001 || size >= 1e5) ? value.toExponential(2) : String(Number(value.toPrecision(3)));
  return text.replace("-", "−");
}

const probability = (value) => (!known(value) ? "–" : value < 0.001 ? "< 0.001" : value.toFixed(3));

/** A link within the page. */
const link = (to, ...inside) => element("a", { href: `#${new URLSearchParams(to)}` }, ...inside);

/** The places that an effect's bits tell. */
function places(bits) {
  const found = new Set();
  [...atob(bits)].forEach((sign, byte) => {
    for (let bit = 0; bit < 8; bit++) if ((sign.charCodeAt(0) >> bit) & 1) found.add(8 * byte + bit);
  });
  return found;
}
