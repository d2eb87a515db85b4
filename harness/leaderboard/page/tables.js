// A table of many rows: sorted by its headers, filtered by its controls, a page of rows at a time.

/**
 * `columns`: {title, value(row, chosen), cell(row, chosen), right, hidden(chosen)}, where `chosen` is what the filters
 * are set to. `filters`: {key, label, options, test(value)}; options are [value, text], none for a text to search; a
 * test gives whether a row stays; a filter without one only changes what is shown. `sort`: [column, descending].
 * Gives {node, set(chosen)}; `changed(chosen)` is called when the reader changes a filter.
 */
function bigTable({ caption, noun, columns, rows, filters, sort, changed, page = 50 }) {
  let chosen = {}, shown = page, unknown = [], [by, descending] = sort;
  let looks = null, lines = new Map(); // rows as they are drawn, until a choice changes how they look
  const status = element("p", { role: "status", class: "soft" });
  const body = element("tbody");
  const heads = columns.map((column, place) => head(column, () => order(place)));
  const inputs = filters.map((filter) => control(filter, (value) => choose(filter.key, value)));
  const button = (text, click) => element("button", { type: "button", onclick: click }, text);
  const clear = button("Clear filters", () => set({}) || tell());
  const more = button("", () => grow(page)), everything = button("Show all", () => grow(Infinity));
  const scroll = framed(caption, [element("tr", null, heads)], body, "large");
  const row = element("div", { class: "controls" }, inputs.map((input) => input.node), clear);
  const node = element("div", null, row, status, scroll, element("div", { class: "controls" }, more, everything));

  /** Only what the controls can show is chosen: an address may ask for anything. */
  function set(values) {
    const can = ({ key, options }) => !options || options.some(([value]) => value === values[key]);
    const asked = filters.filter(({ key }) => values[key]);
    chosen = Object.fromEntries(asked.filter(can).map(({ key }) => [key, values[key]]));
    unknown = asked.filter((filter) => !can(filter)).map(({ key, label }) => `${label} “${values[key]}”`);
    inputs.forEach((input, place) => input.set(chosen[filters[place].key] || ""));
    shown = page;
    render();
  }
  function choose(key, value) {
    chosen = { ...chosen, [key]: value };
    if (!value) delete chosen[key];
    unknown = [];
    shown = page;
    render();
    tell();
  }
  function tell() {
    if (changed) changed(chosen);
  }
  function order(place) {
    [by, descending] = [place, place === by ? !descending : Boolean(columns[place].right)];
    render();
  }
  function grow(size) {
    const first = body.rows.length;
    shown += size;
    render();
    (body.rows[first].querySelector("a") || scroll).focus();
  }
  function render() {
    const tests = filters.filter(({ key, test }) => test && chosen[key]).map(({ key, test }) => test(chosen[key]));
    const kept = rows.filter((row) => tests.every((test) => test(row)));
    const found = sorted(kept, (row) => columns[by].value(row, chosen), descending);
    columns.forEach(({ hidden }, place) => {
      heads[place].hidden = Boolean(hidden && hidden(chosen));
      if (place === by) heads[place].setAttribute("aria-sort", descending ? "descending" : "ascending");
      else heads[place].removeAttribute("aria-sort");
    });
    const visible = columns.filter((_, place) => !heads[place].hidden);
    const now = JSON.stringify(filters.filter(({ test }) => !test).map(({ key }) => chosen[key]));
    if (now !== looks) [looks, lines] = [now, new Map()];
    const drawnOnce = (row) => lines.get(row) || lines.set(row, line(visible, row, chosen)).get(row);
    body.replaceChildren(...found.slice(0, shown).map(drawnOnce));
    const rest = found.length - body.rows.length;
    const partly = rest ? `; the first ${grouped(body.rows.length)} are shown` : "";
    const ignored = unknown.length ? `; not here, so not asked for: ${unknown.join(", ")}` : "";
    status.textContent = `${grouped(found.length)} of ${count(rows.length, noun)}${partly}${ignored}`;
    more.textContent = `Show ${grouped(Math.min(page, rest))} more`;
    more.hidden = everything.hidden = !rest;
  }
  set({});
  return { node, set };
}

function head(column, click) {
  const button = element("button", { type: "button", onclick: click }, named(column.title));
  return element("th", { scope: "col", class: column.right && "right" }, button);
}

/** A row; its first cell names it. */
function line(columns, row, chosen) {
  const cells = columns.map((column, place) => {
    const inside = column.cell ? column.cell(row, chosen) : column.value(row, chosen);
    if (!place) return element("th", { scope: "row" }, inside);
    return element("td", { class: column.right && "right" }, known(inside) ? inside : "–");
  });
  return element("tr", null, cells);
}

/** Rows in the order of a value: numbers as numbers, texts sign by sign (the same in every language), gaps last. */
function sorted(rows, value, descending) {
  const keyed = rows.map((row) => [value(row), row]), way = descending ? -1 : 1;
  const compared = (a, b) => (a < b ? -way : a > b ? way : 0);
  keyed.sort(([a], [b]) => (known(a) && known(b) ? compared(a, b) : known(b) - known(a)));
  return keyed.map(([, row]) => row);
}

let controls = 0; // made so far: each has an id, by which its label names it

function control({ label, options }, choose) {
  const id = `control-${(controls += 1)}`;
  const choices = options && options.map(([value, text]) => element("option", { value }, text));
  const input = options
    ? element("select", { id, onchange: () => choose(input.value) }, choices)
    : element("input", { id, type: "search", oninput: () => choose(input.value) });
  const set = (value) => {
    input.value = value;
  };
  return { node: labelled(label, input), set };
}

const labelled = (label, input) => element("div", null, element("label", { for: input.id }, named(label)), input);

/** Options for each value that occurs, in the order of their first row. */
function options(rows, value, text = String) {
  return [["", "all"], ...[...new Set(rows.map(value))].filter(Boolean).map((found) => [found, text(found)])];
}

const equals = (value) => (wanted) => (row) => String(value(row)) === wanted;
const contains = (value) => (wanted) => {
  const words = wanted.toLowerCase().split(/\s+/);
  return (row) => words.every((word) => value(row).toLowerCase().includes(word));
};

/** A table that is as it is. `rows` are tr elements. */
function plainTable(caption, titles, rows, kind) {
  const heads = titles.map((title, place) => element("th", { scope: "col", class: place && "right" }, named(title)));
  return framed(caption, [element("tr", null, heads)], element("tbody", null, rows), kind);
}

/** A table in a frame that scrolls by itself where the window is narrow. */
function framed(caption, heads, body, kind) {
  const head = element("thead", null, heads);
  const table = element("table", { class: kind }, element("caption", null, caption), head, body);
  return element("div", { class: "scroll", role: "region", tabindex: 0, "aria-label": caption }, table);
}

const cells = (values) => values.map((value) => element("td", { class: "right" }, value));
const rowOf = (name, values) => element("tr", null, element("th", { scope: "row" }, name), cells(values));
