"use strict";

function element(name, text = "", ...children) {
  const made = document.createElement(name);
  made.textContent = text;
  made.append(...children);
  return made;
}

function row(...cells) {
  return element("tr", "", ...cells.map((cell, index) => (index === 0
    ? element("td", "", element("code", cell)) : element("td", cell))));
}

function table(title, rows) {
  return rows.length ? [element("h2", title), element("table", "", ...rows)] : [];
}

function typeOf(schema = {}, spec = {}) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map((one) => typeOf(one, spec)).join(" or ");
  if (schema.type === "array") return `list of ${typeOf(schema.items, spec)}`;
  return schema.format === "binary" ? "bytes" : schema.type || "any";
}

function operation(path, method, about, spec) {
  const made = element("details", "", element("summary", "",
    element("code", `${method.toUpperCase()} ${path}`), element("span", about.summary || "")));
  for (const paragraph of (about.description || "").split("\n\n")) made.append(element("p", paragraph));
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
  if (good.example) made.append(element("h2", "Example"), element("pre", JSON.stringify(good.example, null, 2)));
  return made;
}

async function show() {
  const routes = document.getElementById("routes");
  try {
    const spec = await (await fetch("openapi.json")).json();
    routes.replaceChildren(...Object.entries(spec.paths).flatMap(([path, methods]) => (
      Object.entries(methods).map(([method, about]) => operation(path, method, about, spec)))));
  } catch {
    routes.replaceChildren(element("p", "openapi.json cannot be read. Is the service running?"));
  }
}
show();
