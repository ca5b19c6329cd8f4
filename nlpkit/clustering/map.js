// What the page of a map runs: it draws points on a canvas, finds the one below the pointer, and searches texts.
// Texts are only ever set as the text of an element, which no browser reads as HTML.
"use strict";
const given = JSON.parse(document.getElementById("data").textContent);
const numbers = (packed, Kind) => new Kind(Uint8Array.from(atob(packed), c => c.charCodeAt(0)).buffer);
const count = given.texts.length;
const xs = numbers(given.x, Uint16Array), ys = numbers(given.y, Uint16Array);
const groups = numbers(given.groups, Int16Array);
const canvas = document.getElementById("map"), pen = canvas.getContext("2d");
const tip = document.getElementById("tip"), box = document.getElementById("search"), said = document.getElementById("said");
const list = document.getElementById("groups");
const WHOLE = 65535;
let scale = 1, left = 0, top_ = 0, width = 1, height = 1, ratio = 1, base = 1;
let only = null, found = null, at = -1, waiting = false;
const byGroup = new Map();
for (let i = 0; i < count; i++) {
  if (!byGroup.has(groups[i])) byGroup.set(groups[i], []);
  byGroup.get(groups[i]).push(i);
}
// A grid over the plane: what is below the pointer is looked for in a few of its cells.
const CELLS = 128, cells = new Map();
for (let i = 0; i < count; i++) {
  const key = (xs[i] >> 9) * CELLS + (ys[i] >> 9);
  if (!cells.has(key)) cells.set(key, []);
  cells.get(key).push(i);
}
const screenX = i => left + xs[i] / WHOLE * base * scale;
const screenY = i => top_ + (1 - ys[i] / WHOLE) * base * scale;
const shown = i => (only === null || groups[i] === only) && (found === null || found[i]);
function size() {
  const frame = canvas.parentElement.getBoundingClientRect();
  ratio = window.devicePixelRatio || 1;
  const before = base;
  width = frame.width; height = frame.height; base = Math.min(width, height) * 0.94;
  canvas.width = width * ratio; canvas.height = height * ratio;
  if (before === 1) { left = (width - base) / 2; top_ = (height - base) / 2; }
  later();
}
function mixed(one, other, share) {
  const [a, b] = [one, other].map(colour => colour.match(/[\d.]+/g).map(Number));
  return `rgb(${[0, 1, 2].map(k => Math.round(share * a[k] + (1 - share) * b[k])).join()})`;
}
function later() {
  if (!waiting) { waiting = true; requestAnimationFrame(draw); }
}
function draw() {
  waiting = false;
  const style = getComputedStyle(document.body);
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  const side = Math.max(1.2, Math.min(6, Math.sqrt(60000 / Math.max(count, 1)))) * Math.min(2.2, Math.sqrt(scale));
  const dot = (i, more) => {
    const x = screenX(i), y = screenY(i);
    if (x > -9 && y > -9 && x < width + 9 && y < height + 9) pen.fillRect(x - side / 2 - more, y - side / 2 - more, side + 2 * more, side + 2 * more);
  };
  const order = [...byGroup.keys()].sort((a, b) => a - b);
  // Opaque, so that many on one place do not add up to a dark one.
  pen.fillStyle = mixed(style.color, style.backgroundColor, 0.12); pen.globalAlpha = 1;
  if (only !== null || found !== null) for (let i = 0; i < count; i++) if (!shown(i)) dot(i, 0);
  pen.globalAlpha = 0.8;
  for (const group of order) {
    pen.fillStyle = given.colours[group < 0 ? given.colours.length - 1 : group];
    for (const i of byGroup.get(group)) if (shown(i)) dot(i, found === null ? 0 : 1);
  }
  pen.globalAlpha = 1;
  pen.font = "600 12px system-ui, sans-serif"; pen.textAlign = "center"; pen.lineWidth = 4; pen.lineJoin = "round";
  const taken = [];
  if (found === null) given.names.forEach((name, group) => {
    if (!given.middles[group] || (only !== null && only !== group)) return;
    const x = left + given.middles[group][0] / WHOLE * base * scale;
    const y = top_ + (1 - given.middles[group][1] / WHOLE) * base * scale;
    const half = pen.measureText(name).width / 2;
    if (taken.some(t => Math.abs(t[0] - x) < t[2] + half && Math.abs(t[1] - y) < 16)) return;
    taken.push([x, y, half]);
    pen.strokeStyle = style.backgroundColor; pen.strokeText(name, x, y);
    pen.fillStyle = style.color; pen.fillText(name, x, y);
  });
  if (at >= 0) { pen.fillStyle = style.color; dot(at, 2); }
}
function below(x, y) {
  const dx = (x - left) / (base * scale) * WHOLE, dy = (1 - (y - top_) / (base * scale)) * WHOLE;
  const reach = 10 / (base * scale) * WHOLE;
  const low = v => Math.max(0, Math.floor((v - reach) / 512)), high = v => Math.min(CELLS - 1, Math.floor((v + reach) / 512));
  let best = -1, least = reach * reach;
  for (let cx = low(dx); cx <= high(dx); cx++) for (let cy = low(dy); cy <= high(dy); cy++)
    for (const i of cells.get(cx * CELLS + cy) || []) {
      const far = (xs[i] - dx) ** 2 + (ys[i] - dy) ** 2;
      if (far < least && shown(i)) { least = far; best = i; }
    }
  return best;
}
function tell(event) {
  const frame = canvas.getBoundingClientRect(), x = event.clientX - frame.left, y = event.clientY - frame.top;
  const now = below(x, y);
  if (now !== at) { at = now; later(); }
  tip.hidden = at < 0;
  if (at < 0) return;
  tip.firstElementChild.textContent = (groups[at] < 0 ? given.outliers : given.names[groups[at]]) + " · " + given.places[at];
  tip.lastElementChild.textContent = given.texts[at];
  tip.style.left = Math.min(x + 14, width - tip.offsetWidth - 4) + "px";
  tip.style.top = Math.min(y + 14, height - tip.offsetHeight - 4) + "px";
}
let dragged = null;
canvas.addEventListener("pointerdown", e => { dragged = [e.clientX, e.clientY]; canvas.setPointerCapture(e.pointerId); });
canvas.addEventListener("pointerup", () => { dragged = null; });
canvas.addEventListener("pointerleave", () => { at = -1; tip.hidden = true; later(); });
canvas.addEventListener("pointermove", e => {
  if (!dragged) return tell(e);
  left += e.clientX - dragged[0]; top_ += e.clientY - dragged[1];
  dragged = [e.clientX, e.clientY]; tip.hidden = true; later();
});
canvas.addEventListener("wheel", e => {
  e.preventDefault();
  const frame = canvas.getBoundingClientRect(), x = e.clientX - frame.left, y = e.clientY - frame.top;
  const factor = Math.min(60, Math.max(0.5, scale * Math.exp(-e.deltaY / 400))) / scale;
  left = x - (x - left) * factor; top_ = y - (y - top_) * factor; scale *= factor; later();
}, {passive: false});
canvas.addEventListener("dblclick", () => { scale = 1; left = (width - base) / 2; top_ = (height - base) / 2; later(); });
const lower = given.texts.map(text => text.toLowerCase());
function search() {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  found = words.length ? lower.map(text => words.every(word => text.includes(word))) : null;
  const hits = found ? found.filter(Boolean).length : count;
  said.textContent = found ? `${hits.toLocaleString("en")} of ${count.toLocaleString("en")} points` : `${count.toLocaleString("en")} points`;
  later();
}
box.addEventListener("input", search);
function entry(group, name) {
  const item = document.createElement("button"), mark = document.createElement("i"), text = document.createElement("span");
  const many = document.createElement("b");
  mark.style.background = given.colours[group < 0 ? given.colours.length - 1 : group];
  text.textContent = name; many.textContent = (byGroup.get(group) || []).length.toLocaleString("en");
  item.append(mark, text, many);
  item.addEventListener("click", () => {
    only = only === group ? null : group;
    for (const other of list.children) other.classList.toggle("off", only !== null && other !== item);
    later();
  });
  list.append(item);
}
given.names.forEach((name, group) => entry(group, name));
if (byGroup.has(-1)) entry(-1, given.outliers);
new ResizeObserver(size).observe(canvas.parentElement);
search();
size();
