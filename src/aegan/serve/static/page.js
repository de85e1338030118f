// The page: asks the API of the server it came from, and nothing else.
"use strict";

const $ = (id) => document.getElementById(id);
const chosen = { A: null, B: null, image: null }; // {image, code, name}
let drawn = null; // the last samples: {images, codes, wish}
let upload = null; // the File that was encoded
let next = "A"; // what the next chosen sample becomes

// --- asking -------------------------------------------------------------------------------------------------------

async function ask(path, wish, raw) {
  const how = raw !== undefined
    ? { method: "POST", body: raw, headers: { "Content-Type": "application/octet-stream" } }
    : wish === undefined ? {} : { method: "POST", body: JSON.stringify(wish), headers: { "Content-Type": "application/json" } };
  for (let attempt = 0; ; attempt += 1) {
    let answer;
    try {
      answer = await fetch(path, how);
    } catch {
      throw new Error("The server does not answer: is it still running?");
    }
    if (answer.ok) return answer;
    if (answer.status === 503 && attempt < 3) {
      await new Promise((done) => setTimeout(done, 1000 * Number(answer.headers.get("Retry-After") || 1)));
      continue;
    }
    const told = await answer.json().catch(() => ({}));
    throw new Error(told.reason || `The server answered ${answer.status}.`);
  }
}

const json = async (path, wish, raw) => (await ask(path, wish, raw)).json();

function say(id, text, bad = false) {
  $(id).textContent = text;
  $(id).classList.toggle("bad", bad);
}

// Runs a task, tells its trouble in a status line.
async function telling(id, task) {
  try {
    await task();
  } catch (error) {
    say(id, error.message, true);
  }
}

// Only the newest call of a function that is called again and again while it waits counts.
function latest(work) {
  let running = false;
  let again = false;
  return async function run() {
    if (running) { again = true; return; }
    running = true;
    try {
      do { again = false; await work(); } while (again);
    } finally {
      running = false;
    }
  };
}

async function download(status, path, wish, name, raw) {
  await telling(status, async () => {
    const url = URL.createObjectURL(await (await ask(path, wish, raw)).blob());
    const link = document.createElement("a");
    link.href = url;
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
    say(status, `Saved ${name}.`);
  });
}

function show(id, source, alt) {
  $(id).src = source;
  if (alt !== undefined) $(id).alt = alt;
  $(id).hidden = false;
}

// --- samples ------------------------------------------------------------------------------------------------------

function wishOfSamples() {
  if (!$("seed").reportValidity()) throw new Error("The seed is a whole number from 0.");
  return {
    count: Number($("count").value), seed: Number($("seed").value), label: $("class").value || null,
    truncation: Number($("truncation").value),
  };
}

const draw = latest(() => telling("samples-status", async () => {
  say("samples-status", "Drawing …");
  const wish = wishOfSamples();
  const began = performance.now();
  drawn = { ...(await json("api/samples", wish)), wish };
  const grid = $("grid");
  grid.textContent = "";
  next = "A";
  const single = drawn.images.length !== wish.count; // vectors come as one picture
  grid.classList.toggle("single", single);
  drawn.images.forEach((source, i) => {
    const image = document.createElement("img");
    image.src = source;
    image.alt = single ? "Samples as points" : `Sample ${i + 1}`;
    if (single) { image.className = "smooth"; grid.append(image); return; }
    const button = document.createElement("button");
    button.type = "button";
    button.title = `seed ${wish.seed + i}`; // alone, this seed gives the same image
    button.tabIndex = i ? -1 : 0; // one stop for Tab, arrows move within
    button.setAttribute("aria-pressed", "false");
    button.append(image);
    button.addEventListener("click", () => choose(i));
    grid.append(button);
  });
  const seconds = (performance.now() - began) / 1000;
  say("samples-status", `${wish.count} samples, seed ${wish.seed}${wish.label ? `, ${wish.label}` : ""}, in ${seconds.toFixed(1)} s.`);
  if (!single && drawn.codes && drawn.images.length > 1) {
    choose(0, false);
    choose(drawn.images.length - 1, false);
    await walk();
  }
}));

function choose(i, walks = true) {
  chosen[next] = { image: drawn.images[i], code: drawn.codes && drawn.codes[i], name: `sample ${i + 1}`, place: i };
  next = next === "A" ? "B" : "A";
  mark();
  if (walks) { say("samples-status", `A is ${chosen.A ? chosen.A.name : "not chosen"}, B is ${chosen.B ? chosen.B.name : "not chosen"}.`); walk(); }
}

function mark() {
  [...$("grid").querySelectorAll("button")].forEach((button, i) => {
    const marks = ["A", "B"].filter((end) => chosen[end] && chosen[end].place === i && chosen[end].image === drawn.images[i]);
    button.setAttribute("aria-pressed", String(marks.length > 0));
    if (marks.length) button.dataset.mark = marks.join("+"); else delete button.dataset.mark;
  });
  for (const end of ["A", "B", "image"]) {
    $("move-from").querySelector(`[value="${end}"]`).disabled = !(chosen[end] && chosen[end].code);
  }
  if (["A", "B"].includes($("move-from").value)) move();
}

function arrows(event) {
  const buttons = [...$("grid").querySelectorAll("button")];
  const at = buttons.indexOf(document.activeElement);
  if (at < 0) return;
  const columns = getComputedStyle($("grid")).gridTemplateColumns.split(" ").length;
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + columns, ArrowUp: at - columns, Home: 0, End: buttons.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  if (!buttons[to]) return;
  buttons[at].tabIndex = -1;
  buttons[to].tabIndex = 0;
  buttons[to].focus();
}

// --- the walk -----------------------------------------------------------------------------------------------------

let frames = [];

const walk = latest(() => telling("walk-status", async () => {
  const { A, B } = chosen;
  if (!(A && B && A.code && B.code)) return;
  say("walk-status", "Walking …");
  frames = (await json("api/walk", { start: A.code, end: B.code })).images;
  show("walk-a", A.image, `A: ${A.name}`);
  show("walk-b", B.image, `B: ${B.name}`);
  $("walk-a-name").textContent = A.name;
  $("walk-b-name").textContent = B.name;
  $("walk-slider").max = frames.length - 1;
  for (const id of ["walk-slider", "walk-png", "walk-npz"]) $(id).disabled = false;
  stepTo();
  say("walk-status", "");
}));

function stepTo() {
  const slider = $("walk-slider");
  const percent = `${Math.round((100 * slider.value) / slider.max)} %`;
  $("walk-value").textContent = percent;
  slider.setAttribute("aria-valuetext", `${percent} of the way`);
  if (frames.length === 1) return show("walk-image", frames[0], "The walk as points");
  if (frames.length) show("walk-image", frames[slider.value], `${percent} of the way from A to B`);
}

// --- your image ---------------------------------------------------------------------------------------------------

async function encode(file) {
  await telling("image-status", async () => {
    say("image-status", `Encoding ${file.name} …`);
    const found = await json("api/encode", undefined, file);
    upload = file;
    show("image-seen", found.seen);
    show("image-back", found.reconstruction);
    $("image-psnr").textContent = found.psnr === null ? ", exactly" : `, PSNR ${found.psnr.toFixed(1)} dB`;
    bars(found.code);
    $("image-result").hidden = false;
    $("among").textContent = "Looking for neighbours …";
    $("neighbours").textContent = "";
    chosen.image = { image: found.seen, code: found.code, name: file.name };
    mark();
    if ($("move-from").value === "image") move();
    say("image-status", `${file.name} is encoded.`);
    const near = await json("api/neighbours", { code: found.code });
    $("among").textContent = `By distance between codes, among ${near.among}.`;
    near.neighbours.forEach((one) => {
      const figure = document.createElement("figure");
      const image = document.createElement("img");
      const caption = document.createElement("figcaption");
      image.src = one.image;
      const what = [one.label, one.name && (/^\d+$/.test(one.name) ? `no. ${one.name}` : one.name)].filter(Boolean).join(", ");
      image.alt = `Neighbour${what ? `: ${what}` : ""}`;
      caption.textContent = `${what ? `${what}; ` : ""}distance ${one.distance.toPrecision(3)}`;
      figure.append(image, caption);
      $("neighbours").append(figure);
    });
  });
}

function svg(name, attributes = {}, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

// A code as bars; of a long one, the means of neighbouring numbers.
function bars(code) {
  const most = 128;
  const per = Math.ceil(code.length / most);
  const values = [];
  for (let i = 0; i < code.length; i += per) values.push(code.slice(i, i + per).reduce((a, b) => a + b, 0) / Math.min(per, code.length - i));
  const top = Math.max(...values.map(Math.abs), 1e-9);
  const width = 320 / values.length;
  const picture = svg("svg", { viewBox: "0 0 320 200", preserveAspectRatio: "none", role: "img", "aria-label": `The code, ${code.length} numbers` });
  picture.append(svg("line", { class: "axis", x1: 0, x2: 320, y1: 100, y2: 100 }));
  values.forEach((value, i) => {
    const height = (Math.abs(value) / top) * 94;
    picture.append(svg("rect", { class: value < 0 ? "bar low" : "bar", x: i * width + width * 0.1, width: width * 0.8, y: value < 0 ? 100 : 100 - height, height }));
  });
  $("image-code").replaceChildren(picture);
  $("image-code-name").textContent = `its code, ${code.length} numbers from ${Math.min(...code).toPrecision(3)} to ${Math.max(...code).toPrecision(3)}`;
}

// --- directions ---------------------------------------------------------------------------------------------------

function wishOfMove() {
  const from = $("move-from").value;
  return {
    code: from === "mean" ? null : chosen[from].code,
    amounts: [...$("sliders").querySelectorAll("input")].map((slider) => Number(slider.value)),
  };
}

const move = latest(() => telling("move-status", async () => {
  if (!$("sliders").childElementCount) return;
  show("move-image", (await json("api/directions", wishOfMove())).images[0], "The image at this place in the space of codes");
  say("move-status", "");
}));

async function directions() {
  await telling("move-status", async () => {
    const found = await json("api/directions");
    $("directions-what").textContent =
      `The directions along which the codes of ${found.samples.toLocaleString("en")} samples vary most; a slider moves by standard deviations.`;
    found.shares.forEach((share, i) => {
      const field = document.createElement("div");
      field.className = "field";
      const label = document.createElement("label");
      label.htmlFor = `d${i}`;
      const value = document.createElement("output");
      value.htmlFor = `d${i}`;
      label.append(`Direction ${i + 1}, ${(100 * share).toFixed(0)} % of the variance`, value);
      const slider = document.createElement("input");
      Object.assign(slider, { type: "range", id: `d${i}`, min: -found.reach, max: found.reach, step: 0.25, value: 0 });
      const shown = () => { value.textContent = `${slider.value > 0 ? "+" : ""}${Number(slider.value).toFixed(2)}`; };
      slider.addEventListener("input", () => { shown(); move(); });
      shown();
      field.append(label, slider);
      $("sliders").append(field);
    });
    await move();
  });
}

// --- a run in training --------------------------------------------------------------------------------------------

const log = { after: "", steps: [], stages: [] };
let pictures = "";
let held = false; // whether an older picture is being looked at

const clock = (seconds) => {
  const s = Math.round(seconds);
  const two = (n) => String(n).padStart(2, "0");
  return s >= 3600 ? `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}` : `${Math.floor(s / 60)}:${two(s % 60)}`;
};

async function follow() {
  let wait = 2000;
  try {
    const run = await json("api/run");
    tell(run);
    let grew = false;
    for (let more = true; more;) {
      const part = await json(`api/run/log?after=${encodeURIComponent(log.after)}`);
      if (part.fresh) { log.steps = []; log.stages = []; }
      for (const line of part.lines) {
        if (line.event === "stage") log.stages.push([line.step || 0, String(line.stage)]);
        if (!line.event && typeof line.step === "number") log.steps.push(line);
      }
      grew = grew || part.fresh || part.lines.length > 0;
      ({ after: log.after, more } = part);
    }
    if (grew) charts();
    if (run.state === "done") wait = 15000;
  } catch (error) {
    say("run-line", error.message, true);
    wait = 5000;
  }
  setTimeout(follow, document.hidden ? 4 * wait : wait);
}

function tell(run) {
  const words = {
    starting: "The run is starting.", training: `Training, in stage “${run.stage}”.`,
    stopped: `Nothing was written for ${clock(run.silent)}: it has stopped, or is being evaluated.`, done: "This run is finished.",
  };
  if ($("run-line").textContent !== words[run.state]) say("run-line", words[run.state]);
  $("run-progress").hidden = run.state === "done" || run.progress === null;
  $("run-progress").value = run.progress || 0;
  const tiles = [[run.step.toLocaleString("en"), "steps"], [clock(run.seconds), "of training"]];
  if (run.state === "training" && run.seconds_left !== null) tiles.push([clock(run.seconds_left), "left, about"]);
  tiles.push([run.images.toLocaleString("en"), "examples seen"]);
  if (run.images_per_second) tiles.push([Math.round(run.images_per_second).toLocaleString("en"), "examples per second"]);
  $("run-tiles").replaceChildren(...tiles.map(([value, what]) => {
    const item = document.createElement("li");
    const b = document.createElement("b");
    const span = document.createElement("span");
    b.textContent = value;
    span.textContent = what;
    item.append(b, span);
    return item;
  }));
  const now = JSON.stringify(run.pictures);
  if (now === pictures || !run.pictures.length) return;
  pictures = now;
  const slider = $("run-step");
  slider.max = run.pictures.length - 1;
  if (!held) slider.value = slider.max;
  $("run-pictures").hidden = false;
  $("run-step-field").hidden = run.pictures.length < 2;
  look();
}

function look() {
  const known = JSON.parse(pictures);
  const slider = $("run-step");
  const one = known[slider.value];
  held = Number(slider.value) !== known.length - 1;
  show("run-grid", `api/run/grid?step=${one.step}`, `Picture that the run made at step ${one.step}`);
  $("run-grid-name").textContent = `Step ${one.step.toLocaleString("en")}, stage “${one.stage}”${held ? "" : ": the newest"}`;
  $("run-step-value").textContent = `${Number(slider.value) + 1} of ${known.length}`;
  slider.setAttribute("aria-valuetext", `step ${one.step}`);
}

function charts() {
  const names = [...new Set(log.steps.map((line) => line.stage))];
  const out = [];
  const whole = series(log.steps, "watch", (key) => key.includes("V(G"));
  const speed = new Map([["examples per second", log.steps.map((l) => [l.step, l.images_per_second])]]);
  out.push(chart("V(G, D): the value of the game", whole, log.stages));
  for (const stage of names) {
    const lines = log.steps.filter((line) => line.stage === stage);
    const phases = new Map();
    for (const [key, points] of series(lines, "terms", (k) => !k.includes("|grad|"))) {
      const [phase, term] = key.includes(".") ? [key.slice(0, key.lastIndexOf(".")), key.slice(key.lastIndexOf(".") + 1)] : ["", key];
      if (!phases.has(phase)) phases.set(phase, new Map());
      phases.get(phase).set(term, points);
    }
    for (const [phase, group] of phases) out.push(chart(`${stage}: losses${phase ? ` of ${phase}` : ""}`, group, []));
  }
  out.push(chart("Speed", speed, log.stages));
  $("charts").replaceChildren(...out.filter(Boolean));
}

function series(lines, group, wanted) {
  const out = new Map();
  for (const line of lines) {
    for (const [key, value] of Object.entries(line[group] || {})) {
      if (!wanted(key)) continue;
      if (!out.has(key)) out.set(key, []);
      out.get(key).push([line.step, value]);
    }
  }
  return out;
}

const short = (v) => Math.abs(v) >= 10000 ? `${Number((v / 1000).toPrecision(3))}k` : Math.abs(v) >= 1000 ? Math.round(v).toLocaleString("en") : String(Number(v.toPrecision(3)));

// Round values within [low, high], at most six.
function ticks(low, high) {
  const base = 10 ** Math.floor(Math.log10(Math.max(high - low, 1e-300)));
  const step = [0.1, 0.2, 0.5, 1, 2, 5].map((k) => k * base).find((s) => Math.floor(high / s) - Math.ceil(low / s) + 1 <= 6);
  const out = [];
  for (let i = Math.ceil(low / step); i * step <= high; i += 1) out.push(i * step);
  return out;
}

// The same drawing as in the report: 480 by 250, logarithmic where values span more than a factor of 30.
function chart(title, curves, marks) {
  const drawnCurves = [...curves].map(([name, points]) => [name, thin(points.filter(([, y]) => Number.isFinite(y)))]).filter(([, p]) => p.length > 1);
  if (!drawnCurves.length) return null;
  const [W, H, L, R, T, B] = [480, 250, 56, 22, 22, 34];
  const xs = drawnCurves.flatMap(([, p]) => p.map(([x]) => x));
  const ys = drawnCurves.flatMap(([, p]) => p.map(([, y]) => y)).sort((a, b) => a - b);
  const [x0, x1] = [Math.min(...xs), Math.max(Math.max(...xs), Math.min(...xs) + 1)];
  const log10 = ys[0] > 0 && ys[ys.length - 1] / ys[0] > 30;
  const [low, high] = log10 ? [ys[0], ys[ys.length - 1]] : [ys[Math.floor(0.01 * (ys.length - 1))], ys[Math.ceil(0.99 * (ys.length - 1))]];
  const room = log10 ? 0 : 0.05 * (high - low) || Math.abs(high) * 0.1 || 1;
  const [y0, y1] = log10 ? [Math.log10(low), Math.log10(high)] : [low - room, high + room];
  let at = log10 ? [] : ticks(y0, y1);
  if (log10) for (let e = Math.ceil(y0 - 0.02); e <= y1 + 0.02; e += 1) at.push(10 ** e);
  if (log10 && at.length < 2) at = [0, 1, 2, 3].map((i) => 10 ** (y0 + ((y1 - y0) * i) / 3));
  const px = (x) => L + ((x - x0) / (x1 - x0)) * (W - L - R);
  const py = (y) => T + (1 - (Math.min(Math.max(log10 ? Math.log10(y) : y, y0), y1) - y0) / (y1 - y0 || 1)) * (H - T - B);
  const picture = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": title });
  for (const tick of at) {
    picture.append(svg("line", { class: "rule", x1: L, x2: W - R, y1: py(tick), y2: py(tick) }));
    picture.append(svg("text", { x: L - 7, y: py(tick) + 4, "text-anchor": "end" }, short(tick)));
  }
  for (const tick of ticks(x0, x1)) picture.append(svg("text", { x: px(tick), y: H - B + 17, "text-anchor": "middle" }, short(tick)));
  picture.append(svg("text", { x: W - R, y: H - 3, "text-anchor": "end" }, "step"));
  picture.append(svg("line", { class: "axis", x1: L, x2: W - R, y1: H - B, y2: H - B }));
  let free = 0;
  // of several stages at one place the last counts
  const places = new Map(marks.filter(([step]) => step <= x1).map(([step, name]) => [Math.round(px(Math.max(step, x0))), name]));
  for (const [x, name] of places) {
    if (x > L + 1) picture.append(svg("line", { class: "mark", x1: x, x2: x, y1: T - 8, y2: H - B }));
    const start = Math.min(x + 4, W - 6.6 * name.length);
    if (start >= free) {
      picture.append(svg("text", { class: "stage", x: start, y: T - 9 }, name));
      free = start + 6.6 * name.length + 8;
    }
  }
  const legend = document.createElement("ul");
  legend.className = "legend";
  drawnCurves.forEach(([name, points], i) => {
    picture.append(svg("polyline", { class: `curve c${i % 8}`, points: points.map(([x, y]) => `${px(x).toFixed(1)},${py(y).toFixed(1)}`).join(" ") }));
    const item = document.createElement("li");
    const key = document.createElement("i");
    key.className = `c${i % 8}`;
    const value = document.createElement("b");
    value.textContent = short(points[points.length - 1][1]);
    item.append(key, `${name} `, value);
    legend.append(item);
  });
  const figure = document.createElement("figure");
  figure.className = "chart";
  const caption = document.createElement("figcaption");
  caption.textContent = title + (log10 ? " (logarithmic)" : "");
  figure.append(caption, picture, legend);
  return figure;
}

// At most 240 points, each the mean of its neighbours.
function thin(points) {
  if (points.length <= 240) return points;
  return Array.from({ length: 240 }, (_, i) => {
    const part = points.slice(Math.floor((i * points.length) / 240), Math.floor(((i + 1) * points.length) / 240));
    return [0, 1].map((k) => part.reduce((sum, p) => sum + p[k], 0) / part.length);
  });
}

// --- the beginning ------------------------------------------------------------------------------------------------

function on(id, event, work) { $(id).addEventListener(event, work); }

function wire() {
  on("samples-form", "submit", (event) => { event.preventDefault(); draw(); });
  on("dice", "click", () => { $("seed").value = Math.floor(Math.random() * 1e6); draw(); });
  for (const id of ["class", "count"]) on(id, "change", draw);
  on("truncation", "input", () => { $("truncation-value").textContent = Number($("truncation").value).toFixed(2); });
  on("truncation", "change", draw);
  on("grid", "keydown", arrows);
  on("walk-slider", "input", stepTo);
  for (const kind of ["png", "npz"]) {
    on(`samples-${kind}`, "click", () => telling("samples-status", async () => download("samples-status", "api/samples", { ...wishOfSamples(), format: kind }, `samples-${$("seed").value}.${kind}`)));
    on(`walk-${kind}`, "click", () => download("walk-status", "api/walk", { start: chosen.A.code, end: chosen.B.code, format: kind }, `walk.${kind}`));
    on(`move-${kind}`, "click", () => download("move-status", "api/directions", { ...wishOfMove(), format: kind }, `moved.${kind}`));
    on(`image-${kind}`, "click", () => download("image-status", `api/encode?format=${kind}`, undefined, kind === "npz" ? "code.npz" : "reconstruction.png", upload));
  }
  on("file", "change", () => { if ($("file").files.length) encode($("file").files[0]); });
  on("image-a", "click", () => { chosen.A = chosen.image; mark(); walk(); say("image-status", "It is A of the walk now."); });
  on("image-move", "click", () => { $("move-from").value = "image"; move(); $("sliders").querySelector("input").focus(); });
  for (const event of ["dragover", "dragenter"]) on("drop", event, (e) => { e.preventDefault(); $("drop").classList.add("over"); });
  on("drop", "dragleave", () => $("drop").classList.remove("over"));
  on("drop", "drop", (e) => {
    e.preventDefault();
    $("drop").classList.remove("over");
    if (e.dataTransfer.files.length) encode(e.dataTransfer.files[0]);
    else say("image-status", "That was no file: drop a picture from your disk.", true);
  });
  // a file dropped beside the frame would replace the page
  for (const event of ["dragover", "drop"]) window.addEventListener(event, (e) => e.preventDefault());
  on("move-from", "change", move);
  on("reset", "click", () => {
    for (const slider of $("sliders").querySelectorAll("input")) { slider.value = 0; slider.dispatchEvent(new Event("input")); }
    say("move-status", "All directions are at 0.");
  });
  on("run-step", "input", look);
}

async function begin() {
  wire();
  try {
    const about = await json("api/about");
    $("version").textContent = about.version;
    document.title = `${about.name} – aegan`;
    $("title").textContent = about.name;
    let hidden = [];
    if (about.plays) {
      const model = await json("api/model");
      const codes = model.code_shape.length > 0;
      const image = model.shape.length === 3;
      hidden = [codes ? "" : ".codes", image ? "" : ".pictures"].filter(Boolean);
      const what = image ? `${model.shape[2]}×${model.shape[1]} ${{ 1: "grey", 3: "colour", 4: "transparent" }[model.shape[0]]} images` : `vectors of ${model.shape[0]} numbers`;
      $("lead").textContent = `“${model.strategy}”, trained on ${model.trained_on.toLocaleString("en")} ${what}${model.data ? ` of ${model.data}` : ""}` +
        `${codes ? `; a code has ${model.code_shape.join("×")} numbers` : "; it has no encoder, so it draws samples only"}.`;
      model.classes.forEach((name) => { const option = document.createElement("option"); option.textContent = option.value = name; $("class").append(option); });
      $("class-field").hidden = !model.classes.length;
      if (image && Math.max(model.shape[1], model.shape[2]) > 96) document.body.classList.add("fine");
      if (image && model.shape[0] === 4) document.body.classList.add("transparent");
    } else {
      const run = await json("api/run");
      $("lead").textContent = `“${run.strategy}” on ${run.data}.`;
    }
    const shown = [about.plays ? ".play" : "", about.follows ? ".run" : ""].filter(Boolean).join(",");
    document.querySelectorAll(shown).forEach((part) => { part.hidden = hidden.some((rule) => part.matches(rule)); });
    document.querySelectorAll("nav a").forEach((link) => { link.hidden = $(link.hash.slice(1)).hidden; });
    $("nav").hidden = document.querySelectorAll("nav a:not([hidden])").length < 2;
    if (about.follows) follow();
    if (about.plays) {
      await draw();
      if (chosen.A && chosen.A.code) $("move-from").value = "A";
      if (!$("directions").hidden) await directions();
    }
    document.body.dataset.ready = "true";
  } catch (error) {
    $("lead").textContent = "";
    $("error").textContent = error.message;
    $("error").hidden = false;
  }
}

begin();
