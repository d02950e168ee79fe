"use strict";

const byId = (id) => document.getElementById(id);
const headers = {};
let golden = null;
let nextExample = 0;
let latest = 0;
let waiting = null;

async function ask(path, options = {}) {
  let reply;
  try {
    reply = await fetch(path, { ...options, headers: { ...headers, ...options.headers } });
  } catch {
    throw new Error("The service cannot be reached. Is it running?");
  }
  if (reply.ok) return reply.json();
  const problem = await reply.json().catch(() => ({ detail: `The service answered ${reply.status}.` }));
  const error = new Error(problem.detail);
  error.needsKey = reply.status === 401 || reply.status === 403;
  throw error;
}

async function tellOfTheService() {
  try {
    const health = await ask("health");
    byId("service").textContent = health.model
      ? `${health.model.name} · ${health.model.classes} classes · ${health.provider}`
      : "No model is ready yet.";
  } catch (error) {
    byId("service").textContent = error.message;
  }
}

function showError(error) {
  const needsKey = Boolean(error && error.needsKey);
  byId("error").textContent = error ? error.message : "";
  byId("error").hidden = !error;
  byId("key-form").hidden = !needsKey;
  if (needsKey) byId("key").focus();
}

function element(name, text, className) {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function showAnswer(answer, roundTripMs) {
  byId("top").replaceChildren(...answer.top.map((one) => {
    const item = document.createElement("li");
    const line = element("div", "", "line");
    const name = element("span", `${one.label} `);
    name.append(element("span", String(one.class_id), "id"));
    line.append(name, element("span", `${(one.probability * 100).toFixed(1)} %`, "share"));
    const track = element("div", "", "track");
    const bar = document.createElement("div");
    bar.style.width = `${one.probability * 100}%`;
    track.append(bar);
    item.append(line, track);
    return item;
  }));
  const ms = (value) => `${value.toFixed(1)} ms`;
  const rows = [
    ["Decode", ms(answer.timing_ms.decode)],
    ["Queue", ms(answer.timing_ms.queue)],
    ["Inference", `${ms(answer.timing_ms.inference)}${answer.batch_size > 1 ? `, batch of ${answer.batch_size}` : ""}`],
    ["Service", ms(answer.timing_ms.total)],
    ["Round trip", ms(roundTripMs)],
    ["Model", `${answer.model.name} ${answer.model.sha256.slice(0, 12)}`],
  ];
  byId("times").replaceChildren(...rows.flatMap(([term, value]) => [element("dt", term), element("dd", value)]));
}

async function classify(image, name) {
  const number = ++latest;
  waiting = [image, name];
  showError(null);
  byId("top").replaceChildren();
  byId("times").replaceChildren();
  byId("busy").hidden = false;
  const preview = byId("preview");
  if (preview.src) URL.revokeObjectURL(preview.src);
  preview.src = URL.createObjectURL(image);
  preview.alt = name;
  preview.hidden = false;
  byId("hint").hidden = true;
  const began = performance.now();
  try {
    const answer = await ask("predict?top_k=5", {
      method: "POST", body: image, headers: { "Content-Type": "application/octet-stream" },
    }).catch((error) => (error.message.startsWith("`top_k`")
      ? ask("predict?top_k=1", { method: "POST", body: image, headers: { "Content-Type": "application/octet-stream" } })
      : Promise.reject(error)));
    if (number === latest) showAnswer(answer, performance.now() - began);
  } catch (error) {
    if (number === latest) showError(error);
  } finally {
    if (number === latest) byId("busy").hidden = true;
  }
}

async function tryExample() {
  try {
    golden ??= (await ask("golden")).cases;
    if (golden.length === 0) throw new Error("This model carries no examples.");
    const one = golden[nextExample++ % golden.length];
    const bytes = Uint8Array.from(atob(one.image_base64), (sign) => sign.charCodeAt(0));
    await classify(new Blob([bytes]), one.name);
  } catch (error) {
    showError(error);
  }
}

byId("file").addEventListener("change", (event) => {
  const [image] = event.target.files;
  if (image) classify(image, image.name);
  event.target.value = "";
});
byId("example").addEventListener("click", tryExample);
byId("preview").addEventListener("error", () => {
  byId("preview").hidden = true;
  byId("hint").hidden = false;
});
byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  headers["X-API-Key"] = byId("key").value;
  if (waiting) classify(...waiting);
  else tryExample();
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    byId("drop").classList.toggle("over", kind === "dragover");
    if (kind !== "drop") return;
    const [image] = event.dataTransfer.files;
    if (image) classify(image, image.name);
    else showError(new Error("Only an image file can be dropped here."));
  });
}
document.addEventListener("paste", (event) => {
  const [image] = event.clipboardData.files;
  if (image) classify(image, "pasted image");
});
tellOfTheService();
