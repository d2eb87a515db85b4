// The three large tables: effects, runs, test clips.

const namedColumn = (title, value) => ({ title, value, cell: (row) => named(value(row)) });
const allOr = (pairs) => [["", "all"], ...pairs];

function oneOf(rows, key, label, value, text) {
  return { key, label, options: options(rows, value, text), test: equals(value) };
}

function effectTable() {
  const number = (title, key, write) => {
    return { title, right: true, value: (row) => row[key], cell: (row) => write(row[key]) };
  };
  const columns = [
    namedColumn("Factor", (row) => row.factor),
    namedColumn("Data set", (row) => headings[row.dataset]),
    namedColumn("Metric", (row) => row.metric),
    number("Effect, points", "effect", points),
    number("From", "low", points),
    { ...number("To", "high", points), cell: (row) => points(row.high) + (row.seedsOnly ? "°" : "") },
    number("p", "p", probability),
    number("p, corrected", "corrected", probability),
    { title: "Verdict", value: (row) => row.word, cell: verdict },
    { title: "Pairs", right: true, value: (row) => row.pairs, cell: (row) => link(toRuns(row), grouped(row.pairs)) },
    number("Seeds", "seeds", grouped),
  ];
  const filter = (key, label, text) => oneOf(effects, key, label, (row) => row[key], text);
  const filters = [
    filter("kind", "Kind"),
    filter("dataset", "Data set", (name) => headings[name]),
    filter("factor", "Factor"),
    filter("metric", "Metric"),
    filter("word", "Verdict"),
  ];
  const caption = "Effects with their 95 % intervals and p values; the number of pairs leads to the runs";
  return bigTable({ caption, noun: "effect", columns, rows: effects, filters, sort: [6, false], page: 20 });
}

const verdict = (row) => element("span", { class: row.word }, `${SIGNS[row.word]} ${row.word}`);
const toRuns = (row) => ({ behind: row.factor, ...(row.dataset === "all" ? {} : { dataset: row.dataset }) });

function runTable(changed) {
  const rows = runs, columns = runColumns(), filters = runFilters();
  const caption = "Runs, with their scores in percent; ⚠ counts alarms that are errors, △ warnings; a run's name opens it";
  return bigTable({ caption, noun: "run", columns, rows, filters, sort: [1, false], changed });
}

function runColumns() {
  const split = (chosen) => (chosen.split === "val" ? "val" : "test");
  const score = (metric, place) => ({
    title: metric.toUpperCase(),
    right: true,
    value: (run, chosen) => run[split(chosen)][place],
    cell: (run, chosen) => percent(run[split(chosen)][place]),
    hidden: (chosen) => chosen.metric && chosen.metric !== metric,
  });
  const method = namedColumn("Method", (run) => run.method || "plain");
  const factor = ({ name, marks }, place) => ({
    title: name,
    value: (run) => run.levels[place],
    cell: (run) => named(marks[run.levels[place]]),
  });
  return [
    { title: "Run", value: (run) => run.id, cell: (run) => link({ run: run.id }, named(run.id)) },
    namedColumn("Data set", (run) => run.dataset.heading),
    ...board.metrics.map(score),
    ...(board.factors.length ? board.factors.map(factor) : [method]),
    { title: "Seed", right: true, value: (run) => run.seed },
    runs.some((run) => run.fold) && namedColumn("Fold", (run) => run.fold),
    namedColumn("Epoch by", (run) => run.selection),
    runs.some((run) => run.variant) && namedColumn("Settings", (run) => run.variant),
    { title: "State", value: (run) => run.state },
    { title: "Alarms", value: (run) => 1e6 * run.errors + run.warnings, cell: raised },
  ].filter(Boolean);
}

function raised(run) {
  const errors = run.errors && `⚠ ${grouped(run.errors)}`, warnings = run.warnings && `△ ${grouped(run.warnings)}`;
  return [errors, warnings].filter(Boolean).join(" ") || "–";
}

/** Their keys are the words of the page's address, so every choice can be linked to. */
function runFilters() {
  const effect = (name) => {
    const found = places(board.behind[name] || "");
    return (run) => found.has(run.place);
  };
  const asked = Object.keys(board.behind), metrics = board.metrics.map((metric) => [metric, metric.toUpperCase()]);
  const kinds = [["error", "errors"], ["any", "any"], ["none", "none"]];
  const alarmed = {
    error: (run) => run.errors > 0,
    any: (run) => run.errors + run.warnings > 0,
    none: (run) => !(run.errors + run.warnings),
  };
  const alike = (key, label, value, text) => oneOf(runs, key, label, value, text);
  const level = ({ name, marks }, place) => ({
    key: `level.${name}`,
    label: name,
    options: allOr(marks.map((mark, at) => [String(at), mark])),
    test: equals((run) => run.levels[place]),
  });
  return [
    { key: "behind", label: "Behind the effect of", options: allOr(asked.map((name) => [name, name])), test: effect },
    alike("dataset", "Data set", (run) => run.dataset.name, (name) => headings[name]),
    ...board.factors.map(level),
    { key: "metric", label: "Metric", options: allOr(metrics) },
    { key: "split", label: "Scores on", options: [["", "test"], ["val", "val"]] },
    alike("selection", "Epoch chosen by", (run) => run.selection, (kind) => kind || "none"),
    alike("state", "State", (run) => run.state),
    { key: "alarms", label: "Alarms", options: allOr(kinds), test: (kind) => alarmed[kind] },
    { key: "find", label: "Search runs and methods", test: contains((run) => `${run.id} ${run.method}`) },
  ];
}

/** The hardest clips first. */
function clipTable() {
  const found = Object.entries(clips()), node = element("div", { class: "clips" });
  node.append(...found.map(([dataset, set]) => element("p", { class: "note" }, `${headings[dataset]}: ${told(set)}`)));
  const rows = found.flatMap(([dataset, set]) => set.rows.map((row, place) => clip(dataset, set, row, place)));
  if (!board.detailed) node.append(element("p", null, TOO_MANY));
  if (!rows.length) return node;
  const taken = (row) => row.taken && [named(row.taken), ` (${row.times})`];
  const part = (title, some, all) => ({
    title,
    right: true,
    value: (row) => row[some] / row[all],
    cell: (row) => `${row[some]} of ${row[all]}`,
  });
  const columns = [
    { title: "Clip", value: (row) => row.id, cell: (row) => [picture(row.set, row.place), named(row.id)] },
    namedColumn("Data set", (row) => headings[row.dataset]),
    namedColumn("Class", (row) => row.label),
    part("Runs wrong", "wrong", "runs"),
    part("Methods mostly wrong", "mostly", "methods"),
    { title: "Mostly taken for", value: (row) => row.taken, cell: taken },
  ];
  const alike = (key, label, value, text) => oneOf(rows, key, label, value, text);
  const filters = [
    alike("dataset", "Data set", (row) => row.dataset, (name) => headings[name]),
    alike("label", "Class", (row) => row.label),
    { key: "find", label: "Search clips", test: contains((row) => row.id) },
  ];
  const caption = "Test clips, the hardest first; a method is mostly wrong when more than half of its runs are";
  node.append(bigTable({ caption, noun: "clip", columns, rows, filters, sort: [3, true], page: 100 }).node);
  return node;
}

function told(set) {
  const without = `${count(set.left_out, "run")} left out: no predictions that can be used, or other classes.`;
  return [set.rows.length && set.pictured, set.left_out && without].filter(Boolean).join(" ");
}

function clip(dataset, set, row, place) {
  const [id, label, wrong, runs, mostly, methods, taken, times] = row;
  const name = (of) => (known(of) ? set.classes[of] : null);
  return { dataset, set, place, id, label: name(label), wrong, runs, mostly, methods, taken: name(taken), times };
}
