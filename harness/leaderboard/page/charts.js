// Small pictures, each with its words: curves over epochs, the confusion table, the reliability diagram.

const WIDE = 280, HIGH = 110, LEFT = 54, RIGHT = WIDE - 8, FLOOR = HIGH - 18, TOP = 8;

/** Curves over the epochs `shown` (from 0), from their lowest to their highest value; `series` are {name, values}. */
function chart(title, series, { shown, chosen, alarmed }) {
  const values = series.flatMap((one) => one.values).filter(known);
  const low = Math.min(...values), high = Math.max(...values), last = shown[shown.length - 1];
  const x = (epoch) => LEFT + ((RIGHT - LEFT) * epoch) / Math.max(1, last);
  const y = (value) => FLOOR - (FLOOR - TOP) * (high > low ? (value - low) / (high - low) : 0.5);
  const upright = (epoch, kind) => drawn("line", { x1: x(epoch), x2: x(epoch), y1: TOP, y2: FLOOR, class: kind });
  const word = (at, height, anchor, text) => drawn("text", { x: at, y: height, "text-anchor": anchor }, text);
  const curves = series.map((one, place) => {
    return drawn("path", { d: path(one.values, shown, x, y), class: `curve ${place ? "two" : "one"}` });
  });
  const says = series.map((one) => `${one.name} ${ends(one.values)}`.trim());
  const label = `${title}: ${says.join("; ")}; lowest ${short(low)}, highest ${short(high)}`;
  const picture = drawn(
    "svg", { class: "chart", viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": label },
    drawn("path", { class: "curve axis", d: `M${LEFT} ${TOP}V${FLOOR}H${RIGHT}` }),
    word(LEFT - 4, TOP + 8, "end", short(high)), word(LEFT - 4, FLOOR, "end", short(low)),
    word(LEFT, HIGH - 4, "start", "1"), word(RIGHT, HIGH - 4, "end", `epoch ${last + 1}`),
    alarmed.map((epoch) => upright(epoch, "alarm")), known(chosen) && upright(chosen, "chosen"), curves,
  );
  const looks = says.length > 1 ? `${says[0]} (solid), ${says[1]} (dashed)` : says[0];
  return element("figure", null, picture, element("figcaption", null, element("strong", null, title), ` ${looks}`));
}

/** A line through the known values, broken where there is none. */
function path(values, shown, x, y) {
  let on = false;
  const steps = values.map((value, place) => {
    if (!known(value)) return (on = false) || "";
    const step = `${on ? "L" : "M"}${x(shown[place]).toFixed(1)} ${y(value).toFixed(1)}`;
    const dot = on ? "" : "h0.1"; // so that one value between two gaps is seen
    on = true;
    return step + dot;
  });
  return steps.join("");
}

function ends(values) {
  const told = values.filter(known);
  return `${short(told[0])} → ${short(told[told.length - 1])}`;
}

/** Test clips by class and prediction; a cell is the darker the larger its share of the class. */
function confusion(counts, classes, heading) {
  const rows = counts.map((row, label) => {
    const total = row.reduce((sum, n) => sum + n, 0);
    const share = (n) => (total ? n / total : 0);
    const shaded = row.map((n) => {
      const percentage = element("span", { class: "number" }, `${Math.round(100 * share(n))} %`);
      return element("td", { class: `right more${Math.ceil(4 * share(n))}` }, grouped(n), percentage);
    });
    const recall = cells([total ? percent(row[label] / total) : "–"]);
    return element("tr", null, element("th", { scope: "row" }, named(classes[label])), shaded, recall);
  });
  const caption = `Confusion on test clips of ${heading}, and their share of the class`;
  return plainTable(caption, ["is ↓ taken for →", ...classes, "recall, %"], rows, "heat");
}

const SIZE = 220, EDGE = 30;

/** How sure the model is against how often it is right; on the diagonal the two agree. `bins` are rows of numbers. */
function reliability(bins, heading) {
  const place = (share) => EDGE + (SIZE - EDGE - 8) * share;
  const total = bins.reduce((sum, [, n]) => sum + n, 0);
  const off = (100 * bins.reduce((sum, [, n, sure, right]) => sum + n * (sure - right), 0)) / total;
  const size = `${Math.abs(off).toFixed(1)} points ${off > 0 ? "surer" : "less sure"}`;
  const words = `On average it is ${size} than it is right.`;
  const most = Math.max(...bins.map(([, n]) => n));
  const dots = bins.map(([, n, sure, right]) => {
    return drawn("circle", { class: "dot", cx: place(sure), cy: SIZE - place(right), r: 2 + 6 * Math.sqrt(n / most) });
  });
  const frame = `M${EDGE} 8V${SIZE - EDGE}H${SIZE - 8}M${EDGE} ${SIZE - EDGE}L${SIZE - 8} 8`;
  const label = `Reliability diagram. ${words} The table of bins has its numbers.`;
  const picture = drawn(
    "svg", { class: "chart square", viewBox: `0 0 ${SIZE} ${SIZE}`, role: "img", "aria-label": label },
    drawn("path", { class: "curve axis", d: frame }), dots,
    drawn("text", { x: SIZE - 8, y: SIZE - 12, "text-anchor": "end" }, "how sure, to 100 %"),
    drawn("text", { x: EDGE + 4, y: 16 }, "right, to 100 %"),
  );
  const rows = bins.map(([, n, sure, right]) => rowOf(percent(sure), [percent(right), grouped(n)]));
  const table = plainTable("Reliability, by bins of how sure it is", ["how sure, %", "right, %", "clips"], rows);
  const says = ` ${words} A dot is a bin, the larger the more clips.`;
  const caption = element("figcaption", null, element("strong", null, "Reliability on ", named(heading), "."), says);
  return element("div", null, element("figure", null, picture, caption), folded("The bins as a table", table));
}

const folded = (title, ...inside) => element("details", null, element("summary", null, title), ...inside);
