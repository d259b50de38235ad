// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
// Draws what `nestorc compile --json` says. Names come from the model, so they
// reach the page as text only.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const capacities = data.capacities;
const labelled = data.results.some((row) => row.top1 !== null);
const scoreName = labelled ? "accuracy" : "agreement";
const scoreOf = (index) => {
  const row = data.results[index];
  return row === undefined ? null : 100 * (row.top1 !== null ? row.top1 : row.agreement);
};
const original = labelled ? 100 * data.original_top1 : 100;
const find = (section, what) => document.querySelector("#" + section + " " + what);

function element(tag, text, kind) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

// `text` columns, the first ones, are left-aligned.
function fill(table, header, rows, text) {
  const add = (tag, cells) => {
    const row = document.createElement("tr");
    cells.forEach((cell, i) => row.append(element(tag, cell, i < text ? "text" : "")));
    table.append(row);
  };
  if (header) add("th", header);
  rows.forEach((row) => add("td", row));
}

function humanBytes(bytes) {
  const units = ["B", "KB", "MB", "GB"];
  let unit = 0;
  for (; bytes >= 1000 && unit < 3; ++unit) bytes /= 1000;
  return bytes.toFixed(unit ? 1 : 0) + " " + units[unit];
}
const humanTime = (us) => (us < 1000 ? us.toFixed(1) + " µs" : (us / 1000).toFixed(2) + " ms");
const percent = (value) => (value === null ? "–" : value.toFixed(2) + " %");
const millions = (macs) => (macs / 1e6).toFixed(2) + " M";

function showHeader() {
  const name = data.source;
  document.title = name + " – Nestor report";
  document.getElementById("title").textContent = name;
  document.getElementById("summary").textContent =
    data.producer + " · " + data.targets.join(", ") + " · file " + humanBytes(data.file_bytes) + " · compiled in " +
    data.seconds.toFixed(0) + " s";
}

function showCapacities() {
  const rows = capacities.map((capacity, i) => {
    const score = scoreOf(i);
    return [
      String(capacity.capacity), percent(score), score === null ? "–" : (original - score).toFixed(2),
      millions(capacity.macs), humanTime(capacity.latency_us), humanBytes(capacity.weight_bytes),
      humanBytes(capacity.private_bytes),
    ];
  });
  fill(find("capacities", "table"),
       ["capacity", scoreName, "drop", "MACs", "latency", "weights", "private"], rows, 0);
  const notes = [];
  if (data.results.length === 0) notes.push("No samples were given, so nothing is known about accuracy (--eval).");
  else if (!labelled)
    notes.push("Agreement: the share of " + data.results[0].samples +
               " samples that are given the class of the original model.");
  else notes.push("Accuracy on " + data.results[0].samples + " held-out samples; the original model has " +
                  percent(original) + ".");
  if (data.eval_samples_seen !== null)
    notes.push("Of them, " + data.eval_samples_seen + " were seen in recovery.");
  notes.push("Latency: median of one thread on the compiling machine.");
  find("capacities", ".note").textContent = notes.join(" ");
}

function showWhole() {
  const section = document.getElementById("whole");
  section.hidden = data.whole.length === 0;
  fill(find("whole", "table"), ["node", "why its channels do not shrink"],
       data.whole.map((row) => [row.node, row.reason]), 2);
}

function showInputs() {
  const rows = capacities.filter((capacity) => capacity.input_extents.length)
    .map((capacity) => [String(capacity.capacity), capacity.input_extents.join(" x ")]);
  document.getElementById("inputs").hidden = rows.length === 0;
  fill(find("inputs", "table"), ["capacity", "computes on"], rows, 2);
}

function showSkipped() {
  const rows = capacities.filter((capacity) => capacity.skipped.length)
    .map((capacity) => [String(capacity.capacity), capacity.skipped.join(", ")]);
  document.getElementById("skipped").hidden = rows.length === 0;
  fill(find("skipped", "table"), ["capacity", "blocks"], rows, 2);
}

function showMessages() {
  const list = find("messages", "ul");
  data.warnings.forEach((text) => list.append(element("li", text, "warning")));
  data.recovery.notes.concat(data.notes).forEach((text) => list.append(element("li", text)));
  document.getElementById("messages").hidden = list.childElementCount === 0;
}

function showOptions() {
  const done = data.recovery;
  const samples = done.data_samples === null ? "none"
    : done.data_samples + (done.labelled ? " with labels" : ", unlabelled");
  const rows = [
    ["capacities", capacities.map((capacity) => capacity.requested).join(", ")], ["recover", done.recover],
    ["full capacity", done.top + (done.top_changed ? ", changed" : ", unchanged")], ["order", done.order],
    ["budget", done.budget], ["samples", samples],
    ["steps", done.steps + " in " + done.seconds.toFixed(0) + " s"],
    ["seed, threads", done.seed + ", " + done.threads],
  ];
  fill(find("options", "table"), null, rows, 2);
}

const describeLive = (cut) => cut.live.map((live) =>
  (live.name || "unnamed") + " [" + live.shape.join(", ") + "]").join(", ");

function showChain() {
  const chain = find("cuts", ".chain");
  data.cuts.forEach((cut, i) => {
    const mark = element("span", humanBytes(cut.live_bytes), cut.dominated ? "cut" : "cut best");
    mark.title = "cut " + cut.index + (cut.name ? " behind " + cut.name : "") + ": " + describeLive(cut);
    chain.append(mark);
    const block = data.blocks[i];
    if (block) chain.append(element("span", block.index + "\n" + millions(block.macs) + "\n" +
                                            humanBytes(block.weight_bytes), "block"));
  });
}

// --- Charts ---------------------------------------------------------------

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
const isDark = () => matchMedia("(prefers-color-scheme: dark)").matches;

// One hue; the strongest is the smallest capacity, which all others contain.
function shade(index) {
  const share = capacities.length > 1 ? index / (capacities.length - 1) : 0;
  return isDark() ? `hsl(211, ${70 - 35 * share}%, ${72 - 40 * share}%)`
                  : `hsl(211, ${66 - 20 * share}%, ${32 + 50 * share}%)`;
}
// Lines need to be told apart, so their hues differ.
function hue(index) {
  const hues = [211, 28, 152, 282, 350, 60, 180, 320];
  return `hsl(${hues[index % hues.length]}, 62%, ${isDark() ? 66 : 42}%)`;
}

function axis(title, more) {
  return Object.assign({
    title: { display: true, text: title, color: color("faint") },
    ticks: { color: color("faint") }, grid: { color: color("line") },
  }, more);
}

// `style`: "line" for lines, which may be dashed, else "rect".
function legend(style) {
  return { position: "bottom", labels: { color: color("text"), usePointStyle: true, pointStyle: style, boxWidth: 24 } };
}

let charts = [];
function draw(section, config) {
  config.options = Object.assign({ animation: false, responsive: true, maintainAspectRatio: false }, config.options);
  charts.push(new Chart(find(section, "canvas"), config));
}

// Whole percents around the scores; at least two points, so that noise does not
// look like a difference.
function scoreRange() {
  const scores = capacities.map((_, i) => scoreOf(i)).concat(original);
  const low = Math.min(...scores), high = Math.max(...scores);
  const margin = Math.max((high - low) * 0.08, 1 - (high - low) / 2);
  return { min: Math.max(0, Math.floor(low - margin)), max: Math.min(100, Math.ceil(high + margin)) };
}

function drawTradeOff(section, title, valueOf, unit) {
  const shown = data.results.length > 1;
  document.getElementById(section).hidden = !shown;
  if (!shown) return;
  find(section, "h2").textContent = scoreName[0].toUpperCase() + scoreName.slice(1) + " over " + title;
  const points = capacities.map((capacity, i) => ({ x: valueOf(capacity), y: scoreOf(i) }));
  const most = Math.max(...points.map((point) => point.x));
  draw(section, {
    type: "scatter",
    data: {
      datasets: [
        { label: "capacities", data: points, showLine: true, borderColor: color("accent"),
          backgroundColor: color("accent"), pointRadius: 5, pointHoverRadius: 7 },
        { label: "original model", data: [{ x: 0, y: original }, { x: most, y: original }], showLine: true,
          borderColor: color("faint"), borderDash: [5, 4], borderWidth: 1.5, pointRadius: 0, pointHitRadius: 0 },
      ],
    },
    options: {
      scales: { x: axis(unit, { min: 0 }), y: axis(scoreName + ", %", scoreRange()) },
      plugins: {
        legend: legend("line"),
        tooltip: { callbacks: { label: (item) =>
          "capacity " + capacities[item.dataIndex].capacity + ": " + item.parsed.y.toFixed(2) + " %" } },
      },
    },
  });
}

const shorten = (text, length) => (text.length > length ? "…" + text.slice(1 - length) : text);

function drawWidths() {
  const groups = data.groups;
  document.getElementById("widths").hidden = groups.length === 0;
  if (groups.length === 0) return;
  find("widths", ".chart").style.height = 22 * groups.length + 90 + "px";
  const room = innerWidth < 736 ? 16 : 40;
  draw("widths", {
    type: "bar",
    data: {
      labels: groups.map((group) => shorten(group.name, room) + (group.stream ? " ⊕" : "")),
      datasets: capacities.map((capacity, i) => ({
        label: String(capacity.capacity), backgroundColor: shade(i), barPercentage: 0.9, categoryPercentage: 0.9,
        data: groups.map((group) =>
          (100 * (group.widths[i] - (i ? group.widths[i - 1] : 0))) / group.channels),
      })),
    },
    options: {
      indexAxis: "y",
      scales: {
        x: axis("channels kept, %", { stacked: true, max: 100 }),
        y: axis("", { stacked: true, title: { display: false }, grid: { display: false },
                      ticks: { color: color("text"), autoSkip: false, font: { size: innerWidth < 736 ? 10 : 12 } } }),
      },
      plugins: {
        legend: legend("rect"),
        tooltip: { mode: "index", intersect: false, callbacks: {
          title: (items) => groups[items[0].dataIndex].name +
            (groups[items[0].dataIndex].stream ? " (residual stream)" : ""),
          label: (item) => "capacity " + item.dataset.label + ": " +
            groups[item.dataIndex].widths[item.datasetIndex] + " of " + groups[item.dataIndex].channels,
        } },
      },
    },
  });
}

function showWidths() {
  fill(find("widths", "table"),
       ["group", "channels"].concat(capacities.map((capacity) => String(capacity.capacity))),
       data.groups.map((group) => [group.name + (group.stream ? " ⊕ residual stream" : ""),
                                   String(group.channels)].concat(group.widths.map(String))), 1);
}

function drawCuts() {
  document.getElementById("cuts").hidden = data.cuts.length === 0;
  if (data.cuts.length === 0) return;
  const points = data.cuts.map((cut) => ({
    x: 100 * cut.macs_before / Math.max(1, cut.macs_before + cut.macs_after), y: cut.live_bytes }));
  const best = data.cuts.map((cut) => !cut.dominated);
  draw("cuts", {
    type: "scatter",
    data: {
      datasets: [{
        label: "full capacity", data: points, showLine: true, borderWidth: 1, borderColor: color("line"),
        pointRadius: best.map((is) => (is ? 5 : 3)), pointBorderColor: best.map((is) => color(is ? "accent" : "faint")),
        pointBackgroundColor: best.map((is) => color(is ? "accent" : "card")),
      }],
    },
    options: {
      scales: {
        x: axis("MACs before the cut, %", { min: 0, max: 100 }),
        y: axis("live bytes", { type: "logarithmic", ticks: {
          color: color("faint"), maxTicksLimit: 8, callback: (value) => humanBytes(value) } }),
      },
      plugins: {
        legend: { display: false },
        tooltip: { callbacks: { label: (item) => {
          const cut = data.cuts[item.dataIndex];
          return ["cut " + cut.index + (cut.name ? " behind " + cut.name : "") + ": " + humanBytes(cut.live_bytes),
                  describeLive(cut)];
        } } },
      },
    },
  });
}

function drawHistory() {
  const history = data.recovery.history;
  document.getElementById("history").hidden = history.length === 0;
  if (history.length === 0) return;
  const scored = history.filter((point) => point.scores.length);
  const datasets = capacities.map((capacity, i) => ({
    label: String(capacity.capacity), borderColor: hue(i), backgroundColor: hue(i), pointRadius: 2, borderWidth: 2,
    data: scored.filter((point) => i < point.scores.length && point.scores[i] !== null)
      .map((point) => ({ x: point.step, y: 100 * point.scores[i] })),
  }));
  datasets.push({
    label: "loss", yAxisID: "loss", borderColor: color("faint"), backgroundColor: color("faint"), borderDash: [4, 4],
    pointRadius: 0, borderWidth: 1.5,
    data: history.filter((point) => point.loss).map((point) => ({ x: point.step, y: point.loss })),
  });
  draw("history", {
    type: "line",
    data: { datasets },
    options: {
      parsing: false, interaction: { mode: "nearest", axis: "x", intersect: false },
      scales: {
        x: axis("step", { type: "linear" }), y: axis("held-out score, %"),
        loss: axis("loss", { position: "right", grid: { display: false } }),
      },
      plugins: { legend: legend("line") },
    },
  });
}

function drawAll() {
  charts.forEach((chart) => chart.destroy());
  charts = [];
  drawTradeOff("macs", "MACs", (capacity) => capacity.macs / 1e6, "MACs, millions");
  drawTradeOff("latency", "latency", (capacity) => capacity.latency_us / 1000, "latency, ms");
  drawWidths();
  drawCuts();
  drawHistory();
}

showHeader();
showCapacities();
showWidths();
showChain();
showInputs();
showSkipped();
showWhole();
showMessages();
showOptions();
drawAll();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
