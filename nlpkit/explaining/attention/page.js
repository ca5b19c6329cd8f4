// What the page of attention runs. Numbers lie in one run of bytes for each text: attention first, stack by stack and
// layer by layer, then queries and keys. What a text holds is only ever set as the text of an element, which no browser
// reads as HTML.
"use strict";
const given = JSON.parse(document.getElementById("data").textContent);
const settings = document.getElementById("settings"), main = document.getElementById("view");
const dark = matchMedia("(prefers-color-scheme: dark)");
const WHOLE = 255;
const LINE = 24; // pixels of a token, as page.css has it
const SPREAD = 16; // pixels that the lines of all heads take at a token
const FAINTEST = 0.04; // of the strongest line; weaker ones are not drawn
const MOST_LINES = 4000; // that a browser draws at once while a pointer moves
const PRODUCTS = 5; // dimensions that are told of a pair of tokens
const VIEWS = { heads: "Heads", all: "Every head", vectors: "Query and key", masked: "Masked words" };
const PAIRS = { all: "all tokens", aa: "A → A", ab: "A → B", ba: "B → A", bb: "B → B" };
const state = { view: "heads", text: 0, stack: 0, layer: 0, head: 0, heads: new Set(), pair: "all", hidden: false, merged: false, pinned: null, row: 0, column: null, place: null };

// --- elements ---

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("--")) made.style.setProperty(key, value);
    else if (typeof value === "function") made.addEventListener(key, value);
    else if (typeof value === "boolean" && !key.startsWith("aria-")) made.toggleAttribute(key, value);
    else if (value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.flat().filter(child => child !== undefined));
  return made;
}

const shown = (value, digits = 3) => value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const percent = value => `${shown(100 * value, 0)} %`;
const named = (word, token) => element("span", token.special ? { class: "special" } : {}, word);

function button(key, label, pressed, act, attributes = {}) {
  return element("button", { type: "button", "data-key": key, "aria-pressed": pressed, click: act, ...attributes }, label);
}

function select(key, label, options, value, act) {
  const list = element("select", { "data-key": key, change: () => act(list.value) }, options.map(([name, text]) => element("option", { value: name }, text)));
  list.value = value;
  return element("label", {}, label, list);
}

function check(key, label, value, act) {
  const box = element("input", { type: "checkbox", "data-key": key, change: () => act(box.checked) });
  box.checked = value;
  return element("label", {}, box, label);
}

function change(values) {
  Object.assign(state, values);
  render();
}

// --- numbers ---

async function unpack(text) {
  const packed = Uint8Array.from(atob(text.numbers), c => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = await new Response(stream).arrayBuffer();
  text.shares = new Uint8Array(bytes, 0, text.codes);
  text.codesOfVectors = new Int8Array(bytes, text.codes);
  let start = 0;
  for (const stack of text.stacks) {
    stack.starts = stack.heads.map(heads => {
      const here = start;
      start += heads * stack.rows.texts.length * stack.columns.texts.length;
      return here;
    });
  }
}

const text = () => given.texts[state.text];
const stack = () => text().stacks[state.stack];
const headsHere = () => stack().heads[state.layer];
const chosen = () => [...state.heads].sort((a, b) => a - b);

/** The attention of a head from one token to another. */
function share(layer, head, row, column) {
  const { rows, columns, starts } = stack();
  const code = text().shares[starts[layer] + (head * rows.texts.length + row) * columns.texts.length + column];
  return (code / WHOLE) ** 2;
}

const summed = (row, column) => chosen().reduce((sum, head) => sum + share(state.layer, head, row, column), 0);

/** The places of the tokens of a side that are shown. */
function places(which) {
  const side = stack()[which];
  const second = state.pair === "all" ? undefined : Number(state.pair[which === "rows" ? 0 : 1] === "b");
  return side.texts.map((_, place) => place).filter(place => !(state.hidden && side.special[place]) && (second === undefined || side.second[place] === second));
}

const isPair = () => stack().rows.second.includes(1) && stack().columns.second.includes(1);
const token = (which, place) => ({ text: stack()[which].texts[place], special: stack()[which].special[place] });

/** Queries and keys of a head of the layer: what they are multiplied by, and a function for each number. */
function vectors(head) {
  const found = stack().vectors[state.layer];
  if (!found) return undefined;
  const { size, at } = found, rows = stack().rows.texts.length, columns = stack().columns.texts.length;
  const codes = text().codesOfVectors, keysAt = at + headsHere() * rows * size;
  const read = (start, count, step) => place => Array.from(codes.subarray(start + (head * count + place) * size, start + (head * count + place + 1) * size), code => code * step);
  return {
    ...found,
    query: read(at, rows, found.queries[head]),
    key: read(keysAt, columns, found.keys[head]),
    added: found.bias && ((row, column) => found.bias[head][column - row + rows - 1]),
  };
}

// --- colours ---

const colourOf = head => `hsl(${Math.round((360 * head) / headsHere())} 70% ${dark.matches ? 65 : 42}%)`;

function resolved(name) {
  const probe = element("i", { "--probe": "" });
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const colour = getComputedStyle(probe).color.match(/[\d.]+/g).slice(0, 3).map(Number);
  probe.remove();
  return colour;
}

/** A picture with a pixel for each value: of one colour where it is positive, of the other where it is negative. */
function pixels(width, height, value, strongest, attributes) {
  const canvas = element("canvas", { width, height, ...attributes }), pen = canvas.getContext("2d");
  const picture = pen.createImageData(width, height), colours = [resolved("--accent"), resolved("--other")];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const number = value(x, y), at = 4 * (y * width + x);
      picture.data.set(colours[Number(number < 0)], at);
      picture.data[at + 3] = strongest ? Math.min(255, Math.round((255 * Math.abs(number)) / strongest)) : 0;
    }
  }
  pen.putImageData(picture, 0, 0);
  return canvas;
}

// --- what is chosen ---

function begin() {
  const { stack: name, layer, head } = given.begin;
  state.stack = Math.max(0, text().stacks.findIndex(other => other.name === name));
  state.layer = layer;
  state.head = head ?? 0;
  state.heads = new Set(head === null ? [...Array(headsHere()).keys()] : [head]);
}

const everyHead = () => new Set(Array(headsHere()).keys());

function settle(values) {
  Object.assign(state, values, { pinned: null, row: 0, column: null, place: null });
  state.stack = Math.min(state.stack, text().stacks.length - 1);
  state.layer = Math.min(state.layer, stack().heads.length - 1);
  if (!isPair()) state.pair = "all";
  if ([...state.heads].some(head => head >= headsHere())) state.heads = everyHead();
  state.head = Math.min(state.head, headsHere() - 1);
  render();
}

function drawSettings() {
  const views = Object.entries(VIEWS).filter(([view]) => view !== "masked" || text().masked);
  const parts = [element("div", { class: "tabs" }, views.map(([view, name]) => button(`view-${view}`, name, state.view === view, () => change({ view }))))];
  if (given.texts.length > 1) {
    const options = given.texts.map((other, place) => [String(place), other.title]);
    const list = select("text", "Text", options, String(state.text), value => settle({ text: Number(value) }));
    list.classList.add("texts");
    parts.unshift(list);
  }
  if (state.view === "masked") return settings.replaceChildren(...parts);
  if (text().stacks.length > 1) {
    const options = text().stacks.map((other, place) => [String(place), other.name]);
    parts.push(select("stack", "Attention", options, String(state.stack), value => settle({ stack: Number(value) })));
  }
  if (state.view !== "all") {
    const options = stack().heads.map((_, layer) => [String(layer), String(layer + 1)]);
    parts.push(select("layer", "Layer", options, String(state.layer), value => settle({ layer: Number(value) })));
  }
  if (isPair()) parts.push(select("pair", "From → to", Object.entries(PAIRS), state.pair, pair => change({ pair, pinned: null, column: null })));
  parts.push(check("hidden", "hide special tokens", state.hidden, hidden => change({ hidden, pinned: null, column: null })));
  if (state.view === "heads") {
    parts.push(check("merged", "add heads up", state.merged, merged => change({ merged })));
    const chips = [...everyHead()].map(head => button(`head-${head}`, String(head + 1), state.heads.has(head), () => {
      const heads = new Set(state.heads);
      if (!heads.delete(head)) heads.add(head);
      change({ heads });
    }, { "--colour": colourOf(head), "aria-label": `head ${head + 1}` }));
    const whole = button("head-all", "all", false, () => change({ heads: everyHead() }), { class: "all" });
    const none = button("head-none", "none", false, () => change({ heads: new Set() }), { class: "all" });
    parts.push(element("div", { class: "heads" }, "Heads", chips, whole, none));
  }
  settings.replaceChildren(...parts);
}

// --- heads: lines between tokens ---

function drawHeads() {
  const rows = places("rows"), columns = places("columns"), help = element("p", { class: "help", id: "said" });
  const canvas = element("canvas");
  let over = null;
  const side = (which, there) => {
    const other = { rows: "columns", columns: "rows" }[which];
    const made = there.map(place => {
      const same = pinned => pinned?.which === which && pinned.place === place;
      const weight = element("span", { class: "weight" }), word = named(token(which, place).text, token(which, place));
      return button(`${which}-${place}`, other === "columns" ? [weight, word] : [word, weight], same(state.pinned), () => change({ pinned: same(state.pinned) ? null : { which, place } }), {
        title: token(which, place).text,
        pointerenter: () => update({ which, place }),
        pointerleave: () => update(null),
        focus: () => update({ which, place }),
        blur: () => update(null),
      });
    });
    return element("div", { class: `side ${which}` }, made);
  };
  const left = side("rows", rows), right = side("columns", columns);

  function update(hovered) {
    over = hovered;
    const at = over ?? state.pinned;
    const weigh = (buttons, there, weight) => there.forEach((place, i) => {
      const value = weight?.(place);
      buttons[i].querySelector(".weight").textContent = value === undefined ? "" : shown(value);
      buttons[i].style.setProperty("--share", value === undefined ? "0%" : `${(100 * value) / Math.max(state.heads.size, 1)}%`);
    });
    weigh(right.children, columns, at?.which === "rows" ? column => summed(at.place, column) : undefined);
    weigh(left.children, rows, at?.which === "columns" ? row => summed(row, at.place) : undefined);
    lines(at);
  }

  /** Pixels by which the lines of heads lie beside each other. */
  const beside = i => (state.heads.size > 1 ? SPREAD * (i / (state.heads.size - 1) - 0.5) : 0);

  function lines(at) {
    const width = canvas.clientWidth, height = LINE * Math.max(rows.length, columns.length), ratio = devicePixelRatio || 1;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    canvas.style.height = `${height}px`;
    const pen = canvas.getContext("2d"), found = [];
    pen.scale(ratio, ratio);
    rows.forEach((row, from) => columns.forEach((column, to) => {
      if (at && (at.which === "rows" ? row : column) !== at.place) return;
      if (state.merged) found.push([summed(row, column), from, to, `rgb(${resolvedAccent})`, 0]);
      else chosen().forEach((head, i) => found.push([share(state.layer, head, row, column), from, to, colourOf(head), beside(i)]));
    }));
    const strongest = found.reduce((most, [weight]) => Math.max(most, weight), 0);
    pen.lineWidth = 2;
    const seen = found.filter(([weight]) => weight > FAINTEST * strongest).sort((a, b) => a[0] - b[0]);
    for (const [weight, from, to, colour, by] of seen.slice(-MOST_LINES)) {
      pen.globalAlpha = weight / strongest;
      pen.strokeStyle = colour;
      pen.beginPath();
      pen.moveTo(2, LINE * (from + 0.5) + by);
      pen.lineTo(width - 2, LINE * (to + 0.5) + by);
      pen.stroke();
    }
    const count = state.heads.size, what = count === 1 ? `head ${chosen()[0] + 1}` : `${count} heads`;
    const hiding = hiddenShare(rows, columns);
    help.textContent = `Layer ${state.layer + 1}, ${what}: from each token on the left to those on the right that it reads. The strongest line is ${shown(strongest)}. Point at a token for its numbers${count > 1 ? `, which are sums over the heads (of a row ${count} together)` : ""}; click to keep it.${seen.length > MOST_LINES ? ` Drawn are the ${MOST_LINES.toLocaleString("en")} strongest of ${seen.length.toLocaleString("en")} lines.` : ""}${hiding}`;
  }

  const resolvedAccent = resolved("--accent").join();
  main.replaceChildren(help, element("div", { class: "lines" }, left, canvas, right));
  update(null);
}

/** What of the attention goes to tokens that are not shown. */
function hiddenShare(rows, columns) {
  const heads = chosen();
  if (columns.length === stack().columns.texts.length || !heads.length || !rows.length) return "";
  const told = rows.reduce((sum, row) => sum + columns.reduce((part, column) => part + summed(row, column), 0), 0);
  return ` Tokens that are hidden take ${percent(Math.max(0, 1 - told / (rows.length * heads.length)))} of the attention.`;
}

// --- every head ---

function drawAll() {
  const rows = places("rows"), columns = places("columns"), most = Math.max(...stack().heads);
  const header = element("tr", {}, element("th", {}, ""), [...Array(most).keys()].map(head => element("th", { scope: "col" }, String(head + 1))));
  const body = stack().heads.map((heads, layer) => element("tr", {}, element("th", { scope: "row" }, String(layer + 1)), [...Array(heads).keys()].map(head => {
    let strongest = 0;
    for (const row of rows) for (const column of columns) strongest = Math.max(strongest, share(layer, head, row, column));
    const picture = pixels(columns.length, rows.length, (x, y) => Math.sqrt(share(layer, head, rows[y], columns[x])), Math.sqrt(strongest), {});
    const open = () => change({ view: "heads", layer, head, heads: new Set([head]), pinned: null, row: 0, column: null });
    return element("td", {}, element("button", { type: "button", "data-key": `map-${layer}-${head}`, "aria-label": `layer ${layer + 1}, head ${head + 1}`, title: `layer ${layer + 1}, head ${head + 1}; strongest ${shown(strongest)}`, click: open }, picture));
  })));
  const help = element("p", { class: "help" }, "A row for each layer, a column for each head; each map goes from its tokens downwards to those it reads. Shades go with the root of the attention, in each map up to its strongest. Click one to see its tokens.");
  main.replaceChildren(help, element("div", { class: "scroll" }, element("table", { class: "all-heads" }, header, body)));
}

// --- query and key ---

const strip = (values, strongest, label) => pixels(values.length, 1, x => values[x], strongest, { class: "strip", role: "img", "aria-label": label });
const greatest = values => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

function drawVectors() {
  const found = vectors(state.head), rows = places("rows"), columns = places("columns");
  const options = (which, there) => there.map(place => [String(place), `${place + 1} ${token(which, place).text}`]);
  if (!rows.includes(state.row)) state.row = rows[0];
  const choice = element("p", {},
    select("head", "Head ", [...everyHead()].map(head => [String(head), String(head + 1)]), String(state.head), head => change({ head: Number(head), column: null })), " ",
    select("row", "Token that reads ", options("rows", rows), String(state.row), row => change({ row: Number(row), column: null })));
  if (!found) {
    const there = Object.keys(stack().vectors).map(layer => Number(layer) + 1);
    const said = there.length ? `Queries and keys of this layer are not in this page; it has those of ${there.length > 1 ? "the layers" : "layer"} ${there.join(", ")}.` : "This page has no queries and keys: see above.";
    return main.replaceChildren(element("p", {}, said));
  }
  const query = found.query(state.row), all = stack().columns.texts.map((_, column) => column);
  const sees = column => !found.causal || column <= state.row;
  const keys = all.map(found.key), products = keys.map(key => key.map((value, i) => value * query[i]));
  const sums = products.map(product => product.reduce((sum, value) => sum + value, 0) * found.scale);
  const scores = sums.map((sum, column) => sum + (found.added ? found.added(state.row, column) : 0));
  const top = Math.max(...scores.filter((_, column) => sees(column)));
  const powers = scores.map((score, column) => (sees(column) ? Math.exp(score - top) : 0));
  const total = powers.reduce((sum, power) => sum + power, 0);
  const attention = column => share(state.layer, state.head, state.row, column);
  const strongest = { key: greatest(keys.flat()), product: greatest(products.flat()) };
  const picked = state.column ?? columns.reduce((best, column) => (attention(column) > attention(best) ? column : best), columns[0]);
  const titles = ["token that is read", "key", "query × key", `sum × ${shown(found.scale, 4)}`, ...(found.added ? ["distance"] : []), "softmax", "the model's attention"];
  const head = element("tr", {}, titles.map(title => element("th", { scope: "col" }, title)));
  const first = element("tr", {}, element("th", { scope: "row" }, `query of ${token("rows", state.row).text}`), element("td", {}, strip(query, greatest(query), "query")));
  const body = columns.map(column => element("tr", { "data-column": column },
    element("td", {}, button(`column-${column}`, named(token("columns", column).text, token("columns", column)), picked === column, () => change({ column }), { title: token("columns", column).text })),
    element("td", {}, strip(keys[column], strongest.key, "key")),
    element("td", {}, strip(products[column], strongest.product, "query times key")),
    element("td", { class: "number sum" }, shown(sums[column], 2)),
    found.added ? element("td", { class: "number" }, shown(found.added(state.row, column), 2)) : undefined,
    element("td", { class: "number softmax" }, sees(column) ? shown(powers[column] / total) : "not seen"),
    element("td", { class: "number attention" }, element("span", { class: "bar", "--share": `${100 * attention(column)}%` }), shown(attention(column)))));
  const table = element("table", { class: "products" }, element("thead", {}, first, head), element("tbody", {}, body));
  const order = products[picked]?.map((value, i) => i).sort((a, b) => Math.abs(products[picked][b]) - Math.abs(products[picked][a])) ?? [];
  const told = order.slice(0, PRODUCTS).map(i => `dimension ${i + 1}: ${shown(query[i], 2)} × ${shown(keys[picked][i], 2)} = ${shown(products[picked][i], 2)}`);
  const added = found.added ? " The model adds a number that hangs on the distance alone; it is told up to a constant." : "";
  main.replaceChildren(choice,
    element("p", { class: "help" }, `Each number of the query times that of a key, their sum, and its softmax over all tokens${found.causal ? " up to the one that reads" : ""}. The first colour is positive, the second negative. Queries and keys have 8 bits here, so that the softmax is about the model's attention.${added}`),
    element("div", { class: "scroll" }, table),
    picked === undefined ? "" : element("p", { class: "help" }, `What counts most between ${token("rows", state.row).text} and ${token("columns", picked).text}, of ${found.size} dimensions: ${told.join("; ")}.`));
}

// --- masked words ---

function drawMasked() {
  const side = text().stacks[0].rows, hidden = text().masked[state.place];
  const words = side.texts.map((word, place) => (place in text().masked
    ? button(`place-${place}`, place === state.place ? "▢" : word, place === state.place, () => change({ place: place === state.place ? null : place }))
    : element("span", { class: "special" }, word)));
  const parts = [element("p", { class: "help" }, "Click a token to hide it from the model: what would it say there? Each was asked about when this page was made, with the others in their places."), element("div", { class: "words" }, words)];
  if (hidden) {
    const bars = hidden.candidates.map(([word, value]) => element("li", {}, element("span", { class: "name" }, word), element("span", { class: "bar", "--share": `${100 * value}%` }), element("span", { class: "value" }, shown(value))));
    const own = hidden.rank === null ? "" : `“${side.texts[state.place]}” itself has a probability of ${hidden.share < 0.0005 ? "less than 0.001" : shown(hidden.share)}, and is number ${hidden.rank.toLocaleString("en")}.`;
    parts.push(element("ol", { class: "bars", id: "candidates" }, bars), element("p", { id: "own" }, own));
  }
  main.replaceChildren(...parts);
}

// --- all together ---

function render() {
  const focus = document.activeElement?.dataset?.key;
  if (state.view === "masked" && !text().masked) state.view = "heads";
  drawSettings();
  const answer = text().answer;
  ({ heads: drawHeads, all: drawAll, vectors: drawVectors, masked: drawMasked })[state.view]();
  if (answer !== null) main.prepend(element("p", { class: "answer", dir: "auto" }, `Written: ${answer || "nothing"}`));
  main.prepend(element("p", { class: "answer", dir: "auto" }, text().title));
  if (focus) document.querySelector(`[data-key="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
}

dark.addEventListener("change", render);
addEventListener("resize", render);
settings.addEventListener("submit", event => event.preventDefault());
Promise.all(given.texts.map(unpack)).then(() => {
  begin();
  render();
  document.body.dataset.ready = "";
});
