// One run: what it scored, how it got there, where it fails, and how to make it again.

const MAKING = ["harness", "commit", "device", "python", "packages.torch", "precision", "deterministic"];
const MADE_FROM = ["data.fingerprint", "data.manifest", "model.name", "model.weights", "protocol"];

function runPage(run) {
  const stored = details() && details()[run.place];
  const told = stored ? JSON.parse(stored) : {};
  const last = ` · seed ${run.seed}` + (run.fold ? ` · fold ${run.fold}` : "");
  const title = element("h2", null, named(run.dataset.heading), " · ", named(run.method || "plain"), last);
  const parts = [
    goBack(),
    title,
    element("p", { class: "soft" }, named(run.id), ...state(run, told)),
    told.error && element("p", { class: "warning" }, `Failed: ${told.error}`),
    told.retried && element("p", { class: "warning" }, told.retried),
    told.unread && element("p", { class: "warning" }, `Damaged files of this run: ${told.unread.join("; ")}`),
    element("div", { class: "columns" }, scores(run, told), again(run)),
  ];
  if (told.repeat) parts.push(alarms(told.alarms || []), training(told), mistakes(run, told), provenance(told));
  else parts.push(element("p", { class: "note" }, board.detailed ? "Nothing of this run is stored." : TOO_MANY));
  return parts.filter(Boolean);
}

const TOO_MANY = "This page has too many runs to hold what belongs to single ones; `harness show` prints each.";

const UNREAD = "This run has no predictions that can be used: no reliability diagram and no list of clips.";

const part = (title, ...inside) => element("section", null, element("h3", null, title), ...inside);

function state(run, told) {
  const how = board.chosen[run.selection] || run.selection;
  const chosen = run.state === "done" && known(told.epoch) && `epoch ${told.epoch + 1} of ${told.epochs}, ${how}`;
  const took = told.seconds && `${short(told.seconds)} s`;
  const resumed = told.resumed && `cut off, and gone on with ${count(told.resumed, "time")}`;
  return [run.state, chosen, took, resumed, run.variant].filter(Boolean).map((words) => ` · ${words}`);
}

function scores(run, told) {
  if (!run.test.some(known) && !run.val.some(known)) return part("Scores", element("p", null, "None."));
  const rows = board.metrics.map((metric, place) => {
    const name = metric.toUpperCase() + (told.primary === metric ? " (primary)" : "");
    return rowOf(name, [percent(run.test[place]), percent(run.val[place])]);
  });
  return part("Scores", plainTable(`Scores on ${run.dataset.heading}, %`, ["", "test", "val"], rows));
}

/** The same method with other seeds: one run is no result. */
function again(run) {
  const alike = (other) => ["dataset", "method", "variant"].every((key) => other[key] === run[key]);
  const others = runs.filter((other) => other !== run && alike(other));
  if (!others.length) return null;
  const items = others.map((other) => {
    const fold = other.fold ? `, fold ${other.fold}` : "";
    const score = (place) => `${board.metrics[place].toUpperCase()} ${percent(other.test[place])}`;
    const words = other.state === "done" ? `${score(0)}, ${score(1)}` : other.state;
    return element("li", null, link({ run: other.id }, `seed ${other.seed}${fold}`), `: ${words}`);
  });
  return part("The same method with other seeds", element("ul", null, items));
}

function alarms(found) {
  if (!found.length) return part("Alarms", element("p", null, "None."));
  const items = found.map((alarm) => {
    const name = `${alarm.severity === "error" ? "⚠" : "△"} ${alarm.severity} ${alarm.sentinel}`;
    const when = known(alarm.epoch) ? `epoch ${alarm.epoch + 1}` : "before training";
    return element(
      "li", null, element("span", { class: `alarm-${alarm.severity}` }, name), `, ${when}: ${alarm.message}`,
      alarm.mend && element("div", null, `Mend: ${alarm.mend}`),
      alarm.evidence && element("div", { class: "soft" }, "Evidence: ", element("code", null, alarm.evidence)),
    );
  });
  return part("Alarms", element("ul", null, items));
}

function training(told) {
  const curves = told.curves || {}, names = Object.keys(curves);
  if (!names.length) return part("Training", element("p", null, "No epoch is stored."));
  const shown = told.shown || [...Array(told.epochs).keys()];
  const alarmed = [...new Set((told.alarms || []).map((alarm) => alarm.epoch).filter(known))];
  const moving = names.filter((name) => Array.isArray(curves[name]));
  const marks = { shown, chosen: told.epoch, alarmed };
  const charts = pictures(moving, curves).map(([title, series]) => chart(title, series, marks));
  const still = names.filter((name) => !moving.includes(name)).map((name) => `${name} ${short(curves[name])}`);
  const thinned = told.shown ? ` ${shown.length} of ${told.epochs} epochs are shown, evenly spaced.` : "";
  const key = `Each from its lowest to its highest value. Upright line: the chosen epoch; dotted: an alarm.${thinned}`;
  return part(
    "Training", element("p", { class: "note" }, key), element("div", { class: "charts" }, charts),
    still.length > 0 && element("p", { class: "soft" }, `The same in every epoch: ${still.join(", ")}.`),
    folded("The curves as a table", numbers(moving, curves, shown)),
  );
}

/** [title, series] of each picture: loss terms, then scores with training and validation together, then the rest. */
function pictures(names, curves) {
  const found = new Map();
  for (const name of names) {
    const [, split, metric] = /^(train|val) (.*)$/.exec(name) || [];
    const title = split ? metric.toUpperCase() : name.replace("losses ", "loss ").replaceAll("_", " ");
    found.set(title, [...(found.get(title) || []), { name: split || "", values: curves[name] }]);
  }
  const rank = (title) => (title.startsWith("loss ") ? 0 : title === title.toUpperCase() ? 1 : 2);
  return [...found].sort(([a], [b]) => rank(a) - rank(b));
}

function numbers(names, curves, shown) {
  const rows = shown.map((epoch, place) => rowOf(epoch + 1, names.map((name) => short(curves[name][place]))));
  return plainTable("Every curve, epoch by epoch", ["epoch", ...names], rows);
}

function mistakes(run, told) {
  if (run.state !== "done") return null;
  const classes = shared()[told.classes] || [];
  const table = told.confusion && confusion(told.confusion, classes, run.dataset.heading);
  const unread = element("p", { class: "note" }, UNREAD);
  const sure = told.reliability ? reliability(told.reliability, run.dataset.heading) : unread;
  const both = element("div", { class: "columns" }, table, sure);
  return part("Where it is wrong", both, told.worst && worst(run, told.worst));
}

function worst(run, found) {
  const set = clips()[run.dataset.name];
  const rows = found.map(([place, taken, own]) => {
    const [id, label, wrong, of] = set.rows[place];
    const words = [named(set.classes[label]), named(set.classes[taken]), percent(own), `${wrong} of ${of}`];
    return rowOf([picture(set, place), named(id)], words);
  });
  const titles = ["clip", "is", "taken for", "probability of its own class, %", "runs that got it wrong"];
  return plainTable(`Clips of ${run.dataset.heading} that this run got most wrong`, titles, rows);
}

/** The clip's picture, where the page has one. Its name stands beside it. */
function picture(set, place) {
  return set.pictures[place] && element("img", { src: set.pictures[place], alt: "", class: "thumbnail" });
}

function provenance(told) {
  const [made, settings, notes] = [told.environment, told.settings, told.notes].map((place) => shared()[place] || {});
  const read = Object.values(notes).map((note) => element("li", null, note));
  const first = (facts, keys) => keys.filter((key) => facts[key]).map((key) => [key, facts[key]]);
  return part(
    "Provenance",
    element("p", null, "This line makes the run again. Put your own folders in place of /path/to."),
    element("pre", { tabindex: 0 }, element("code", null, told.repeat)),
    list([...first(made, MAKING), ...first(settings, MADE_FROM)]),
    folded("All settings", list(Object.entries(settings))),
    folded("Environment", list(Object.entries(made))),
    read.length > 0 && folded("How the data were read", element("ul", null, read)),
  );
}

function list(facts) {
  return element("dl", null, facts.flatMap(([name, value]) => [element("dt", null, name), element("dd", null, value)]));
}
