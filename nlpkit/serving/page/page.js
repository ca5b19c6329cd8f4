// The page at `/`: a model is chosen, asked, and its answer drawn.

import { drawn } from "./answers.js";
import { Refused, ask, get, key } from "./ask.js";
import { languages } from "./calls.js";
import { counted, element, find, milliseconds, number } from "./elements.js";
import { AskingForm } from "./form.js";
import { Times, statusOf, waiting } from "./measures.js";

const EVERY = 5000; // milliseconds from one look at the server to the next

const state = { models: [], chosen: null, forms: new Map(), language: "curl", running: null, times: new Times() };

// --- which model ---

async function start() {
  makeTabs();
  find("use-key").addEventListener("click", useKey);
  find("key").addEventListener("keydown", event => event.key === "Enter" && useKey());
  find("copy").addEventListener("click", copy);
  find("model").addEventListener("change", () => choose(find("model").value));
  watch();
  await list();
}

async function list() {
  try {
    state.models = (await (await get("/v1/models")).json()).data.filter(model => model.form);
  } catch (error) {
    return complain(error);
  }
  find("model").replaceChildren(...state.models.map(({ id }) => element("option", {}, id)));
  find("choice").hidden = false;
  find("answer").replaceChildren();
  const named = decodeURIComponent(location.hash.slice(1));
  choose(state.models.some(({ id }) => id === named) ? named : state.models[0].id);
}

function choose(id) {
  state.running?.abort();
  state.running = null;
  find("answer").removeAttribute("aria-busy");
  state.chosen = state.models.find(model => model.id === id);
  find("model").value = id;
  find("task").textContent = state.chosen.task;
  if (state.models.length > 1) history.replaceState(null, "", `#${encodeURIComponent(id)}`);
  if (!state.forms.has(id)) {
    const heard = { changed: showCall, submitted: run, stopped: () => state.running?.abort() };
    state.forms.set(id, new AskingForm(state.chosen.form, heard));
  }
  find("asking").replaceChildren(form().element);
  find("answer").replaceChildren();
  find("call").hidden = false;
  showCall();
}

const form = () => state.forms.get(state.chosen.id);
const path = () => `/v1/models/${encodeURIComponent(state.chosen.id)}/${state.chosen.form.routes[0]}`;

// --- asking ---

async function run() {
  const asked = form(), input = asked.input(), body = asked.body(), place = find("answer");
  const stopping = new AbortController();
  const written = element("p", { class: "text written", dir: "auto" });
  let last = null;
  const onEvent = event => {
    if (event.answer) last = event;
    else written.append(event.text);
  };
  state.running = stopping;
  asked.busy(true);
  place.setAttribute("aria-busy", "true"); // so that a screen reader waits for the whole
  place.replaceChildren(element("p", { class: "help" }, "Asking …"), ...(body.stream ? [written] : []));
  try {
    const found = await ask(path(), body, { signal: stopping.signal, onEvent });
    if (state.running !== stopping) return; // another model was chosen meanwhile
    state.times.add(found);
    showAnswer(found.body ?? { answers: [last.answer], usage: last.usage }, input, found);
  } catch (error) {
    if (state.running !== stopping) return;
    if (error.name === "AbortError") place.replaceChildren(element("p", { class: "help" }, "Stopped."), written);
    else complain(error, written.textContent ? [written] : []);
  } finally {
    asked.busy(false);
    if (state.running === stopping) {
      state.running = null;
      place.removeAttribute("aria-busy");
    }
  }
}

function showAnswer(body, input, { server, whole, first }) {
  const shows = state.chosen.form.shows;
  const answers = body.answers ?? body.results.map((found, i) => ({ found, chance: body.chances[i] }));
  const parts = drawn(shows, answers, input);
  const told = [
    first === null ? `Answered in ${milliseconds(whole)}` : `First words after ${milliseconds(first)}, all after ${milliseconds(whole)}`,
    ...(server === null ? [] : [`${milliseconds(server)} of it in the server`]),
    ...(body.usage?.tokens === undefined ? [] : [counted(body.usage.tokens, "token", "tokens")]),
  ];
  const warnings = (body.warnings ?? []).map(message => element("p", { class: "warning" }, message));
  find("answer").replaceChildren(...parts, ...warnings, element("p", { class: "help" }, `${told.join(", ")}.`));
  find("times").hidden = false;
  find("times").querySelector(".scroll").replaceChildren(state.times.drawn());
}

// Say what the server has against a request, and where in it.
function complain(error, kept = []) {
  if (!(error instanceof Refused)) throw error;
  if (error.status === 401) askForKey();
  const place = ({ loc }) => loc.map((part, i) => (typeof part === "number" ? `[${part}]` : i ? `.${part}` : part)).join("");
  const where = error.where.map(one => element("li", {}, element("code", {}, place(one)), ` ${one.message}`));
  const hints = [
    ...(error.retryAfter ? [`Try again in ${counted(Number(error.retryAfter), "second", "seconds")}.`] : []),
    ...(error.id ? [`Request ${error.id}.`] : []),
  ];
  const said = element(
    "div", { class: "problem" },
    element("p", {}, element("b", {}, error.status ? `${[error.status, error.type].join(" ").trim()}: ` : ""), error.message),
    ...(where.length ? [element("ul", {}, where)] : []),
    ...(hints.length ? [element("p", { class: "help" }, hints.join(" "))] : []),
  );
  find("answer").replaceChildren(said, ...kept);
}

// --- the key ---

function askForKey() {
  find("key-section").hidden = false;
  find("key").focus();
}

async function useKey() {
  key.set(find("key").value.trim());
  find("key").value = "";
  if (state.models.length) showCall();
  else await list();
}

// --- the same from a program ---

function makeTabs() {
  const tab = name => {
    const radio = element("input", { type: "radio", name: "language", id: `tab-${name}`, value: name, checked: name === state.language });
    radio.addEventListener("change", () => { state.language = name; showCall(); });
    return [radio, element("label", { for: radio.id }, name)];
  };
  find("call").querySelector("fieldset").append(...Object.keys(languages).flatMap(tab));
}

function showCall() {
  const lines = languages[state.language](new URL(path(), location.href).href, form().body(), key.get() !== "");
  find("lines").firstElementChild.textContent = lines;
  find("copied").textContent = "";
}

async function copy() {
  const place = find("lines").firstElementChild;
  try {
    await navigator.clipboard.writeText(place.textContent);
    find("copied").textContent = "Copied.";
  } catch { // without https a browser has no clipboard for pages
    getSelection().selectAllChildren(place);
    find("copied").textContent = "Selected: press Ctrl+C.";
  }
}

// --- how the server is ---

const STATUS = { draining: "draining: it takes no more requests", gone: "does not answer" };

async function look() {
  const status = await statusOf();
  find("state").dataset.status = status;
  const told = STATUS[status] ?? status;
  if (find("status").textContent !== told) find("status").textContent = told; // so that a screen reader says it once
  const seconds = state.chosen && status === "ready" ? (await waiting()).get(state.chosen.id) : undefined;
  find("waiting").textContent = seconds ? `${number(seconds, 2)} s of work waiting` : "";
}

// Look at the server now and then, while somebody looks at the page.
function watch() {
  const seen = () => document.visibilityState === "visible" && look();
  seen();
  setInterval(seen, EVERY);
  document.addEventListener("visibilitychange", seen);
}

start();
