// The page at `/docs`: what the service's OpenAPI document says, for people.

import { get } from "./ask.js";
import { element, find } from "./elements.js";

async function start() {
  const place = find("operations");
  try {
    place.replaceChildren(...described(await (await get("/openapi.json")).json()));
  } catch (error) {
    place.replaceChildren(element("p", { class: "problem" }, error.message, " "), element("p", {}, "A key is given at ", element("a", { href: "/" }, "the page for questions"), "."));
  }
}

function described(api) {
  const operations = Object.entries(api.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, one]) => ({ path, method, ...one })));
  const groups = new Map();
  for (const one of operations) {
    const group = one.tags?.[0] ?? "";
    groups.set(group, [...(groups.get(group) ?? []), one]);
  }
  const { title, version, description } = api.info;
  const intro = [element("p", { class: "help" }, `${title} ${version}`), ...paragraphs(description)];
  return [...intro, ...[...groups].flatMap(([name, members]) => [...heading("h2", name), ...members.map(one => operation(one, api))])];
}

const heading = (level, text) => (text ? [element(level, {}, text)] : []);
const paragraphs = text => (text ?? "").split(/\n\s*\n/).filter(part => part.trim()).map(part => element("p", {}, part));

function operation({ path, method, summary, description, parameters = [], requestBody, responses }, api) {
  const title = [element("span", { class: "method" }, method.toUpperCase()), element("code", {}, path), summary ? ` ${summary}` : ""];
  const body = requestBody?.content?.["application/json"];
  return element(
    "details", { class: "operation" },
    element("summary", {}, title),
    paragraphs(description),
    parameters.length ? fields("Parameters", parameters.map(one => ({ ...one, shape: one.schema })), api) : undefined,
    body ? [...heading("h3", "Body"), properties(body.schema, api), ...examples(body)] : undefined,
    heading("h3", "Answers"),
    Object.entries(responses).map(([status, answer]) => response(status, resolved(answer, api), api)),
  );
}

function response(status, { description, content }, api) {
  const [type, media] = Object.entries(content ?? {})[0] ?? [];
  const line = element("p", {}, element("b", {}, status), ` ${description ?? ""}`, type ? element("span", { class: "help" }, ` ${type}`) : undefined);
  return element("div", {}, line, media?.schema ? properties(media.schema, api, false) : undefined, media ? examples(media) : undefined);
}

// The properties of an object as a table; of anything else nothing.
//
// `sent`: whether clients send it, so that it matters which of them may be left out.
function properties(schema, api, sent = true) {
  const rows = rowsOf(resolved(schema ?? {}, api), "", api).map(row => (sent ? row : { ...row, required: undefined }));
  return rows.length ? fields("", rows, api) : undefined;
}

// A row for each property, and behind one that is an object for each of its own.
function rowsOf({ properties: named = {}, required = [] }, before, api) {
  return Object.entries(named).flatMap(([name, given]) => {
    const shape = resolved(given, api), full = before + name;
    return [{ name: full, required: required.includes(name), description: shape.description, shape }, ...rowsOf(shape, `${full}.`, api)];
  });
}

function fields(title, rows, api) {
  const row = ({ name, required, description, shape }) => element(
    "tr", {}, element("td", {}, element("code", {}, name), required === false ? " (optional)" : ""), element("td", {}, typeOf(shape, api)), element("td", {}, description ?? ""),
  );
  const head = element("tr", {}, ["name", "type", "meaning"].map(name => element("th", { scope: "col" }, name)));
  const table = element("table", {}, element("thead", {}, head), element("tbody", {}, rows.map(row)));
  return element("div", {}, heading("h3", title), element("div", { class: "scroll" }, table));
}

function examples(media) {
  const named = Object.entries(media.examples ?? {}).map(([name, one]) => [one.summary ?? name, one.value]);
  const all = media.example === undefined ? named : [["Example", media.example], ...named];
  return all.flatMap(([title, value]) => [element("p", { class: "help" }, title), element("pre", { tabindex: "0" }, JSON.stringify(value, null, 2))]);
}

// The type of a schema in words.
function typeOf(schema, api) {
  const { type, items, anyOf, oneOf, enum: values, const: only } = resolved(schema ?? {}, api);
  const either = anyOf ?? oneOf;
  if (either) return either.map(one => typeOf(one, api)).join(" or ");
  if (values) return values.map(value => JSON.stringify(value)).join(" or ");
  if (only !== undefined) return JSON.stringify(only);
  if (type === "array") return `list of ${typeOf(items, api)}`;
  return Array.isArray(type) ? type.join(" or ") : (type ?? "any value");
}

// What a reference points at.
function resolved(schema, api) {
  if (!schema.$ref) return schema;
  return schema.$ref.slice(2).split("/").reduce((part, name) => part[name], api);
}

start();
