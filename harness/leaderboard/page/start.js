// What the page shows: all of it, or one run. Its address tells which, so every view can be linked to:
//   #run=ID   #behind=EFFECT&dataset=NAME and other filters of the runs table   #effects and other sections

const overview = at("overview"), single = at("run"), title = document.title;
let shownRuns, left = null; // the runs table, and where the reader was before a run was opened

/** Shows the tables of one metric at a time. */
function chooseMetric() {
  const sections = [...document.querySelectorAll("main [data-metric]")];
  const titles = sections.filter((node) => node.dataset.title).map((node) => [node.dataset.metric, node.dataset.title]);
  if (!titles.length) return;
  const only = (metric) => sections.forEach((node) => { node.hidden = node.dataset.metric !== metric; });
  const choices = titles.map(([metric, text]) => element("option", { value: metric }, text));
  const select = element("select", { id: "metric-choice", onchange: () => only(select.value) }, choices);
  at("metric").append(labelled("Score in which effects are told", select));
  at("metric").hidden = false;
  select.value = overview.dataset.headline;
  only(select.value);
}

function follow() {
  const address = location.hash.slice(1);
  show(address, new URLSearchParams(address));
  before = address;
}

function show(address, asked) {
  const run = asked.has("run") && runs.find((one) => one.id === asked.get("run"));
  if (asked.has("run")) return showRun(run, asked.get("run"));
  if (address === "clips") showClips();
  const back = left && left.address === address ? left : null;
  showOverview();
  if (address.includes("=")) shownRuns.set(Object.fromEntries(asked));
  if (back) {
    window.scrollTo(0, back.height);
    if (back.focused && back.focused.isConnected) back.focused.focus({ preventScroll: true });
  } else if (address.includes("=")) arrive(at("runs"));
  else if (address && at(address)) arrive(at(address));
}

function arrive(section) {
  section.scrollIntoView();
  const heading = section.querySelector("h2") || section;
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
}

function showOverview() {
  at("skip").hidden = false;
  overview.hidden = false;
  single.hidden = true;
  single.replaceChildren();
  document.title = title;
  left = null;
}

function showRun(run, id) {
  if (!overview.hidden && before !== null) {
    left = { address: before, height: window.scrollY, focused: document.activeElement };
  }
  overview.hidden = at("skip").hidden = true; // focus goes to the run's heading by itself
  single.hidden = false;
  single.replaceChildren(...(run ? runPage(run) : [goBack(), element("h2", null, "No such run here: ", named(id))]));
  document.title = `${run ? run.id : "No such run"} · ${title}`;
  window.scrollTo(0, 0);
  const heading = single.querySelector("h2");
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
}

/** A link to where the reader was, or, for who came straight to the run, to all runs. */
function goBack() {
  const link = element("a", { href: `#${left ? left.address : "runs"}` }, "← Back to all runs");
  return element("p", { class: "controls" }, link);
}

let before = null; // the address until now; null at first
history.scrollRestoration = "manual";
chooseMetric();
if (effects.length) at("effects").append(effectTable().node);
shownRuns = runTable((chosen) => {
  before = new URLSearchParams(chosen).toString();
  history.replaceState(null, "", before ? `#${before}` : "#runs");
});
at("runs").append(shownRuns.node);
const near = new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && showClips(), {
  rootMargin: "600px", // there may be many clips, so their table is made when the reader comes near
});
function showClips() {
  near.disconnect();
  if (!at("clips").querySelector(".clips")) at("clips").append(clipTable());
}
near.observe(at("clips"));
window.addEventListener("beforeprint", showClips);
window.addEventListener("hashchange", follow);
follow();
