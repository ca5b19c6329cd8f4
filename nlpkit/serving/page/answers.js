// Answers as people see them, drawn by what they show: labels, spans, ... (the form says which).

import { counted, element, number } from "./elements.js";

const FEW = 12; // bars that are shown before the others are folded away
const DIMENSIONS = 8; // numbers of a vector that are shown

// The elements that show the answers to a request.
//
// `input` is what was asked about, as the request has it: one text or row, or a list of them.
export function drawn(shows, answers, input) {
  const inputs = Array.isArray(input) ? input : [input];
  const failed = answers.flatMap((answer, i) => (answer.error ? [problem(answer.error, inputs[i], answers)] : []));
  const cut = answers.flatMap((answer, i) => (answer.cut ? [cutShort(answer.cut, inputs[i], answers)] : []));
  const right = answers.map((answer, i) => [answer, inputs[i]]).filter(([answer]) => !answer.error);
  if (!right.length) return failed;
  if (shows === "vectors") return [...failed, ...vectors(right), ...cut];
  return [...failed, ...right.flatMap(([answer, asked]) => ways[shows](answer, asked)), ...cut];
}

const ways = { labels, spans, passage, fills, texts, results };

function problem(message, input, answers) {
  return element("p", { class: "problem" }, answers.length > 1 ? `${textOf(input)}: ${message}` : message);
}

function cutShort(tokens, input, answers) {
  const which = answers.length > 1 ? `“${textOf(input)}” is` : "The text is";
  return element("p", { class: "warning" }, `${which} longer than the model reads: ${counted(tokens, "token was", "tokens were")} left out.`);
}

const textOf = input => (typeof input === "string" ? input : Object.values(input)[0]);
const score = value => number(value, 4);
const unsure = () => element("p", { class: "prediction none" }, "not sure enough");

// --- labels: scores as bars ---

function labels(answer) {
  const scores = scoresOf(answer);
  const parts = [predicted(answer.prediction)];
  if (scores.length) parts.push(bars(scores));
  else if (answer.score !== null) parts.push(bars([["score", answer.score]]));
  if (answer.margin !== undefined && answer.margin !== null) {
    parts.push(element("p", { class: "help" }, `${score(answer.margin)} above the next label`));
  }
  return parts;
}

function predicted(prediction) {
  if (prediction === null) return unsure();
  if (typeof prediction === "number") return element("p", { class: "prediction" }, number(prediction, 4));
  const names = Array.isArray(prediction) ? prediction : [prediction];
  if (!names.length) return element("p", { class: "prediction none" }, "none of the labels");
  return element("p", { class: "prediction" }, names.map(name => element("b", {}, name)));
}

// The score of each label, the best first: of one entry, or of columns.
function scoresOf(answer) {
  const columns = Object.entries(answer).filter(([name]) => name.startsWith("score_"));
  const scores = answer.scores ? Object.entries(answer.scores) : columns.map(([name, value]) => [name.slice(6), value]);
  return scores.sort(([, one], [, other]) => other - one);
}

// A list of names with a bar each, which may be pressed where `press` is given.
function bars(entries, press) {
  const bar = ([name, value], i) => {
    const label = press ? element("button", { type: "button", click: () => press(i) }, name) : element("span", { class: "name", dir: "auto" }, name);
    const share = Math.min(Math.max(value, 0), 1);
    const line = element("span", { class: "bar", "--share": `${100 * share}%`, "aria-hidden": "true" });
    return element("li", {}, label, line, element("span", { class: "value" }, score(value)));
  };
  const made = entries.map(bar);
  if (made.length <= FEW) return element("ol", { class: "bars" }, made);
  const rest = element("details", {}, element("summary", {}, `${made.length - FEW} more`), element("ol", { class: "bars" }, made.slice(FEW)));
  return element("div", {}, element("ol", { class: "bars" }, made.slice(0, FEW)), rest);
}

// --- spans: coloured in the text ---

const hues = new Map(); // of each label that was seen, so that it keeps its colour from one answer to the next

function hueOf(label) {
  if (!hues.has(label)) hues.set(label, Math.round((210 + hues.size * 137.508) % 360)); // the golden angle: neighbours differ
  return hues.get(label);
}

function spans(answer, input) {
  const text = textOf(input), found = answer.prediction;
  if (!found.length) return [marked(text, []), element("p", { class: "help" }, "Nothing was found in it.")];
  const counts = new Map();
  for (const { label } of found) counts.set(label, (counts.get(label) ?? 0) + 1);
  const entry = ([label, count]) => element("li", { class: "tag", "--hue": hueOf(label) }, label, ` ${count}`);
  const cells = ({ text: words, label, score: sure, start, end }) => [words, label, score(sure), start, end];
  return [
    marked(text, found.map(one => ({ ...one, tag: one.label }))),
    element("ul", { class: "legend", "aria-label": "Labels" }, [...counts].map(entry)),
    folded(counted(found.length, "entry", "entries"), table(["text", "label", "score", "start", "end"], found.map(cells))),
  ];
}

// A text with marks; `start` and `end` count characters, of which JavaScript has two for some.
function marked(text, marks) {
  const characters = Array.from(text), parts = [];
  let at = 0;
  for (const { start, end, tag, strong } of [...marks].sort((one, other) => one.start - other.start)) {
    parts.push(characters.slice(at, start).join(""));
    const words = characters.slice(start, end).join("");
    const label = tag === undefined ? undefined : element("small", {}, tag);
    parts.push(element("mark", tag === undefined ? { class: strong ? "strong" : "" } : { class: "tag", "--hue": hueOf(tag) }, words, label));
    at = end;
  }
  parts.push(characters.slice(at).join(""));
  return element("p", { class: "text", dir: "auto" }, parts);
}

// --- passage: an answer where it stands, and the next best ---

function passage(answer, input) {
  const context = contextOf(answer, input);
  const place = element("div");
  const show = one => place.replaceChildren(one.start === null ? marked(context, []) : marked(context, [{ ...one, strong: true }]));
  show(answer);
  const candidates = answer.n_best ?? [];
  const names = candidates.map(one => [one.start === null ? "(no answer)" : one.text, one.score]);
  const said = answer.prediction === null ? unsure() : element("p", { class: "prediction", dir: "auto" }, answer.prediction || "no answer in this text");
  return [said, place, ...(names.length ? [bars(names, i => show(candidates[i]))] : [])];
}

// The text that an answer points into: that of the columns which has it there.
function contextOf(answer, input) {
  const texts = Object.values(input);
  const points = [answer, ...(answer.n_best ?? [])].find(one => one.start !== null);
  const words = points?.text ?? points?.prediction;
  return texts.find(text => points && Array.from(text).slice(points.start, points.end).join("") === words) ?? texts.at(-1);
}

// --- fills: words in the places of masks ---

const MASKS = /<mask>|\[MASK\]/;

function fills(answer, input) {
  const chosen = answer.candidates.map(() => 0), place = element("div");
  const pieces = textOf(input).split(MASKS);
  const whole = pieces.length === answer.candidates.length + 1; // the mask token of a model may be another
  const show = () => place.replaceChildren(filled(pieces, answer.candidates.map((candidates, i) => candidates[chosen[i]].token)));
  if (whole) show();
  const choose = (mask, candidates) => {
    const press = whole ? rank => { chosen[mask] = rank; show(); } : undefined;
    const title = answer.candidates.length > 1 ? [element("h3", {}, `Mask ${mask + 1}`)] : [];
    return element("div", {}, title, bars(candidates.map(({ token, score: sure }) => [token.trim() || "(blank)", sure]), press));
  };
  return [place, element("div", { class: "grid" }, answer.candidates.map((candidates, mask) => choose(mask, candidates)))];
}

function filled(pieces, tokens) {
  const parts = pieces.flatMap((piece, i) => {
    if (i === tokens.length) return [piece];
    const joined = tokens[i].startsWith("##"); // it goes on with the word before it
    return [joined ? piece.trimEnd() : piece, element("mark", { class: "strong" }, joined ? tokens[i].slice(2) : tokens[i].trim())];
  });
  return element("p", { class: "text", dir: "auto" }, parts);
}

// --- vectors: how like the texts are ---

function vectors(answered) {
  const found = answered.map(([answer, input]) => ({ text: textOf(input), vector: answer.prediction }));
  const width = found[0].vector.length;
  const begins = ({ text, vector }) => [text, vector.slice(0, DIMENSIONS).map(one => one.toFixed(3)).join(" ") + (width > DIMENSIONS ? " …" : "")];
  const numbers = folded(`${number(width)} dimensions`, table(["text", "vector"], found.map(begins)));
  if (found.length < 2) return [element("p", {}, "Give several texts, one a line, to see how like they are."), numbers];
  const cell = (one, other) => {
    const value = cosine(one.vector, other.vector);
    return element("td", { class: "heat", "--share": `${Math.max(100 * value, 0)}%` }, value.toFixed(2));
  };
  const row = (one, i) => element("tr", {}, element("th", { scope: "row", dir: "auto" }, `${i + 1} ${one.text}`), found.map(other => cell(one, other)));
  const head = element("tr", {}, element("td"), found.map((_, i) => element("th", { scope: "col" }, String(i + 1))));
  const caption = element("caption", {}, "Cosine of each pair: 1 is the same direction, 0 no likeness");
  const matrix = element("table", { class: "matrix" }, caption, element("thead", {}, head), element("tbody", {}, found.map(row)));
  return [element("div", { class: "scroll", tabindex: "0" }, matrix), numbers];
}

function cosine(one, other) {
  const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
  return dot(one, other) / Math.sqrt(dot(one, one) * dot(other, other));
}

// --- texts: what was written ---

function texts(answer) {
  const several = answer.texts ?? [answer];
  return several.flatMap(one => [written(one), facts(one), ...tokens(one)]);
}

function written(one) {
  const pieces = one.probabilities ?? [];
  // tokens that do not make up the text, as they were cleaned or cut behind it, are listed alone
  const whole = pieces.length && pieces.map(({ text }) => text).join("") === one.prediction;
  const shade = ({ text, probability }) => element("span", { class: "token", "--share": `${100 * (1 - probability)}%` }, text);
  return element("p", { class: "text written", dir: "auto" }, whole ? pieces.map(shade) : one.prediction);
}

function facts(one) {
  const end = one.ended ? "up to its end" : "up to the limit";
  return element("p", { class: "help" }, `${counted(one.tokens, "token", "tokens")}, ${end}, probability per token ${score(one.score)}`);
}

function tokens(one) {
  if (!one.probabilities) return [];
  const others = ({ runners_up: next = [] }) => next.map(({ token, probability }) => `${token} ${score(probability)}`).join("  ");
  const cells = piece => [piece.token, score(piece.probability), others(piece)];
  return [folded("Token by token", table(["token", "probability", "next best"], one.probabilities.map(cells)))];
}

// --- results: what a search found ---

function results({ found, chance }) {
  if (!found.length) return [element("p", { class: "prediction none" }, "nothing was found"), ...(chance ? [nearest(chance)] : [])];
  return [element("ol", { class: "results" }, found.map(hit))];
}

function hit({ id, score: near, text, values = {} }) {
  const others = Object.entries(values).map(([name, value]) => `${name}: ${value}`);
  const facts = [id, `score ${score(near)}`, ...others].join(", ");
  return element("li", {}, element("p", { class: "text", dir: "auto" }, text), element("p", { class: "help", dir: "auto" }, facts));
}

// What an answer would have needed, and how near the nearest text came.
function nearest({ best, threshold }) {
  const came = best ? `the nearest has ${score(best.score)}` : "no text is near";
  return element("p", { class: "help" }, `An answer needs a score of ${score(threshold)}; ${came} (max_false_answers).`);
}

// --- parts ---

function folded(title, content) {
  return element("details", {}, element("summary", {}, title), element("div", { class: "scroll", tabindex: "0" }, content));
}

function table(header, rows) {
  const head = element("tr", {}, header.map(name => element("th", { scope: "col" }, name)));
  const body = rows.map(cells => element("tr", {}, cells.map(cell => element("td", { dir: "auto" }, String(cell)))));
  return element("table", {}, element("thead", {}, head), element("tbody", {}, body));
}
