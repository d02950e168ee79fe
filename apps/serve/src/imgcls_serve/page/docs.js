"use strict";

function element(name, text = "", ...children) {
  const made = document.createElement(name);
  made.textContent = text;
  made.append(...children);
  return made;
}

/** An element with this text, in which what stands between backticks is code. */
function prose(name, text) {
  return element(name, "", ...text.split("`").map((part, index) => (index % 2 ? element("code", part) : part)));
}

function row(...cells) {
  return element("tr", "", ...cells.map((cell, index) => (index === 0
    ? element("td", "", element("code", cell)) : prose("td", cell))));
}

function table(title, rows) {
  return rows.length ? [element("h3", title), element("table", "", ...rows)] : [];
}

function typeOf(schema = {}, spec = {}) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map((one) => typeOf(one, spec)).join(" or ");
  if (schema.type === "array") return `list of ${typeOf(schema.items, spec)}`;
  return schema.format === "binary" ? "bytes" : schema.type || "any";
}

function field(form, name, about, type = "text") {
  const input = document.createElement("input");
  Object.assign(input, { name, type, placeholder: (about && about.description) || "" });
  form.append(element("label", `${name} `, input));
  return input;
}

/** A form that sends the request and shows what comes back, with the key that was given at the top. */
function trial(path, method, about) {
  const form = document.createElement("form");
  const given = (about.parameters || []).filter((one) => one.in !== "header");
  for (const one of given) field(form, one.name, one).required = Boolean(one.required);
  const kinds = Object.keys((about.requestBody || {}).content || {});
  const takesBytes = kinds.some((kind) => kind.includes("octet-stream") || kind.startsWith("image/"));
  const file = takesBytes ? field(form, "image", null, "file") : null;
  const json = !file && kinds.includes("application/json") ? document.createElement("textarea") : null;
  if (json) {
    json.rows = 4;
    form.append(element("label", "JSON body ", json));
  }
  const reply = element("pre");
  reply.hidden = true;
  form.append(element("button", "Send"), reply);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    let place = path.slice(1);
    const query = new URLSearchParams();
    for (const one of given) {
      const { value } = form.elements[one.name];
      if (one.in === "path") place = place.replace(`{${one.name}}`, encodeURIComponent(value));
      else if (value) query.set(one.name, value);
    }
    const headers = {};
    const key = document.getElementById("key").value;
    if (key) headers["X-API-Key"] = key;
    const body = file ? file.files[0] : (json && json.value) || undefined;
    if (body) headers["Content-Type"] = file ? "application/octet-stream" : "application/json";
    reply.hidden = false;
    try {
      const answer = await fetch(`${place}${query.toString() ? `?${query}` : ""}`, { method: method.toUpperCase(), headers, body });
      const text = await answer.text();
      const isJson = (answer.headers.get("content-type") || "").includes("json");
      reply.textContent = `${answer.status} ${answer.statusText}\n${(isJson ? JSON.stringify(JSON.parse(text), null, 2) : text).slice(0, 20000)}`;
    } catch {
      reply.textContent = "The service cannot be reached. Is it running?";
    }
  });
  return element("details", "", element("summary", "Try it"), form);
}

function operation(path, method, about, spec) {
  const made = element("details", "", element("summary", "",
    element("code", `${method.toUpperCase()} ${path}`), prose("span", about.summary || "")));
  for (const paragraph of (about.description || "").split("\n\n").slice(1)) made.append(prose("p", paragraph));
  made.append(...table("Parameters", (about.parameters || []).map((one) => row(
    one.name, `${one.in}, ${typeOf(one.schema, spec)}${one.required ? ", needed" : ""}`, one.description || ""))));
  const content = (about.requestBody || {}).content || {};
  made.append(...table("Body", Object.entries(content).map(([kind, body]) => {
    const fields = Object.entries(body.schema.properties || {});
    return row(kind, fields.map(([name, one]) => `${name}: ${typeOf(one, spec)}. ${one.description || ""}`).join(" ")
      || typeOf(body.schema, spec));
  })));
  made.append(...table("Answers", Object.entries(about.responses || {}).map(([status, one]) => row(
    status, one.description || ""))));
  const good = ((about.responses["200"] || {}).content || {})["application/json"] || {};
  if (good.example) made.append(element("h3", "Example"), element("pre", JSON.stringify(good.example, null, 2)));
  made.append(trial(path, method, about));
  return made;
}

async function show() {
  const routes = document.getElementById("routes");
  try {
    const spec = await (await fetch("openapi.json")).json();
    const groups = new Map();
    for (const [path, methods] of Object.entries(spec.paths)) {
      for (const [method, about] of Object.entries(methods)) {
        const [group] = about.tags;
        groups.set(group, [...(groups.get(group) || []), operation(path, method, about, spec)]);
      }
    }
    routes.replaceChildren(...[...groups].map(([group, made]) => element("section", "", element("h2", group), ...made)));
  } catch {
    routes.replaceChildren(element("p", "openapi.json cannot be read. Is the service running?"));
  }
}
show();
