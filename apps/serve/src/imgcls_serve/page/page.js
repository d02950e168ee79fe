"use strict";

const byId = (id) => document.getElementById(id);
const headers = {};
let golden = null;
let nextExample = 0;
let latest = 0;
let waiting = null;
let shown = null;
let answered = null;

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

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
    shown = health.model;
    tellOfTheModel(health.provider);
    const models = (await ask("models")).models.filter((one) => one.loaded);
    byId("model").replaceChildren(...models.map((one) => new Option(one.name, one.name, one.default, one.default)));
    byId("models").hidden = models.length < 2;
    byId("model").onchange = () => {
      shown = models.find((one) => one.name === byId("model").value);
      golden = null;
      tellOfTheModel(shown.provider);
      if (waiting) classify(...waiting);
    };
  } catch (error) {
    if (!shown) byId("service").textContent = error.message;
  }
}

function tellOfTheModel(provider) {
  byId("service").textContent = shown ? `${shown.classes} classes · ${provider}` : "No model is ready yet.";
  byId("name").textContent = shown ? shown.name : "imgcls";
  document.title = shown ? `${shown.name} · imgcls` : "imgcls";
  byId("terms").textContent = shown && shown.terms ? `Terms: ${shown.terms}` : "";
  byId("terms").hidden = !byId("terms").textContent;
}

/** Asks about an image, of the model that is picked; names no more classes than the model has. */
function predict(image, classes) {
  const query = new URLSearchParams();
  if (!byId("models").hidden) query.set("model", byId("model").value);
  if (shown && shown.classes) query.set("top_k", Math.min(classes, shown.classes));
  const options = { method: "POST", body: image, headers: { "Content-Type": "application/octet-stream" } };
  return [`predict${query.size ? `?${query}` : ""}`, options];
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

function bar(one) {
  const item = document.createElement("li");
  const line = element("div", "", "line");
  const name = document.createElement("span");
  name.append(element("bdi", one.label), " ", element("span", String(one.class_id), "id"));
  line.append(name, element("span", `${(one.probability * 100).toFixed(1)} %`, "share"));
  const track = element("div", "", "track");
  const filled = document.createElement("div");
  filled.style.width = `${one.probability * 100}%`;
  track.append(filled);
  item.append(line, track);
  return item;
}

function showAnswer(answer, roundTripMs) {
  byId("top").replaceChildren(...answer.top.map(bar));
  const ms = (value) => `${value.toFixed(1)} ms`;
  const rows = [
    ["Decode", ms(answer.timing_ms.decode)],
    ["Queue", ms(answer.timing_ms.queue)],
    ["Inference", `${ms(answer.timing_ms.inference)}${answer.batch_size > 1 ? `, batch of ${answer.batch_size}` : ""}`],
    ["Service", ms(answer.timing_ms.total)],
    ["Round trip", ms(roundTripMs)],
    ["Model", `${answer.model.name} ${answer.model.sha256.slice(0, 12)}`],
  ];
  byId("more").hidden = false;
  showCode();
  byId("times").replaceChildren(...rows.flatMap(([term, value]) => [element("dt", term), element("dd", value)]));
}

/** Every class, asked for when somebody wants to see them. */
async function showClasses() {
  if (!byId("all").open || !waiting) return;
  const number = latest;
  if (!answered) {
    try {
      const [path, options] = predict(waiting[0], Infinity);
      const { top } = await ask(path, options);
      if (number === latest) answered = top;
    } catch (error) {
      showError(error);
      return;
    }
  }
  if (number !== latest) return;
  const asked = byId("search").value.trim().toLowerCase();
  const found = answered.filter((one) => one.label.toLowerCase().includes(asked) || String(one.class_id) === asked);
  byId("found").textContent = `${found.length} of ${answered.length} classes`;
  byId("classes").replaceChildren(...found.slice(0, 200).map(bar));
}

function showCode() {
  const name = waiting[1].replace(/[^\w.-]/g, "_") || "image.jpg";
  const model = byId("models").hidden ? null : byId("model").value;
  const url = new URL(`predict${model ? `?${new URLSearchParams({ model })}` : ""}`, location.href);
  const key = headers["X-API-Key"] ? ' -H "X-API-Key: $IMGCLS_API_KEY"' : "";
  byId("curl").textContent = `curl --data-binary @${name} -H "Content-Type: application/octet-stream"${key} '${url}'`;
  byId("python").textContent = [
    "# pip install imgcls-client; a key is read from IMGCLS_API_KEY",
    "from imgcls_client import ImgclsClient",
    "",
    `with ImgclsClient("${new URL(".", location.href).href.replace(/\/$/, "")}") as client:`,
    `    answer = client.predict("${name}"${model ? `, model="${model}"` : ""})`,
    "    print(answer.label, answer.probability)",
  ].join("\n");
}

async function copy(event) {
  const source = byId(event.target.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent);
    event.target.textContent = "Copied";
  } catch { // there is no clipboard without TLS: what is selected can be copied by hand
    getSelection().selectAllChildren(source);
    event.target.textContent = "Selected";
  }
}

async function classify(image, name) {
  const number = ++latest;
  const most = Number(document.body.dataset.maxImageBytes);
  if (image.size > most) {
    showError(new Error(`${name} has ${megabytes(image.size)}; this service takes images of up to ${megabytes(most)}. `
      + "Choose a smaller one, or save it with fewer pixels."));
    return;
  }
  waiting = [image, name];
  answered = null;
  showError(null);
  byId("more").hidden = true;
  byId("top").replaceChildren();
  byId("times").replaceChildren();
  byId("nothing").hidden = true;
  byId("busy").hidden = false;
  const preview = byId("preview");
  if (preview.src) URL.revokeObjectURL(preview.src);
  preview.src = URL.createObjectURL(image);
  preview.alt = name;
  preview.hidden = false;
  byId("hint").hidden = true;
  const began = performance.now();
  try {
    const answer = await ask(...predict(image, 5));
    if (number !== latest) return;
    showAnswer(answer, performance.now() - began);
    showClasses();
  } catch (error) {
    if (number === latest) showError(error);
  } finally {
    if (number === latest) byId("busy").hidden = true;
  }
}

async function tryExample() {
  try {
    golden ??= (await ask(`golden${byId("models").hidden ? "" : `?${new URLSearchParams({ model: byId("model").value })}`}`)).cases;
    if (golden.length === 0) throw new Error("This model carries no examples.");
    const one = golden[nextExample++ % golden.length];
    const bytes = Uint8Array.from(atob(one.image_base64), (sign) => sign.charCodeAt(0));
    await classify(new Blob([bytes]), one.name);
  } catch (error) {
    showError(error);
  }
}

for (const id of ["file", "camera"]) {
  byId(id).addEventListener("change", (event) => {
    const [image] = event.target.files;
    if (image) classify(image, image.name);
    event.target.value = "";
  });
}
byId("all").addEventListener("toggle", showClasses);
byId("search").addEventListener("input", showClasses);
for (const button of document.querySelectorAll("[data-copy]")) button.addEventListener("click", copy);
byId("example").addEventListener("click", tryExample);
byId("preview").addEventListener("error", () => {
  byId("preview").hidden = true;
  byId("hint").replaceChildren(element("strong", byId("preview").alt), element("br"), "This browser cannot show it.");
  byId("hint").hidden = false;
});
byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  headers["X-API-Key"] = byId("key").value;
  tellOfTheService();
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
