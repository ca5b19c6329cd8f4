// What the page of explained rows runs: it chooses rows, puts them in order, and colours their words.
// Texts are only ever set as the text of an element, which no browser reads as HTML.
"use strict";
const given = JSON.parse(document.getElementById("data").textContent);
const byId = name => document.getElementById(name);
const PAGE = 50;  // rows that are added at a time
const weak = new Set(given.weak);
let chosen = [], shown = 0;

function made(name, text, kind) {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  if (kind) element.className = kind;
  return element;
}
const figure = value => value === null ? "" : value.toFixed(3);
const agreement = row => Math.min(...row.parts.map(part => part.agreement === null ? 2 : part.agreement), 2);
const apart = row => agreement(row) < given.agreed;

// The words of one method: the strongest has the full colour, against the answer they are dotted too.
function words(part, method) {
  const line = made("p"), most = Math.max(...method.scores.map(score => Math.abs(score || 0)), 1e-9);
  let column = part.words.length ? part.words[0][0] : "";
  const several = part.words.some(word => word[0] !== column);
  if (several) line.append(made("span", column, "column"));
  part.words.forEach(([of, text], i) => {
    if (several && of !== column) line.append(made("span", of, "column"));
    column = of;
    const score = method.scores[i] || 0, share = Math.abs(score) / most;
    const word = made("span", text, score < 0 && share > 0.1 ? "less" : "");
    if (share > 0.02) word.style.background = `rgb(var(--${score < 0 ? "against" : "for"}) / ${(0.55 * share).toFixed(2)})`;
    word.title = `${text}: ${figure(score)}`;
    word.setAttribute("aria-label", `${text}, ${figure(score)}`);
    line.append(word, " ");
  });
  return line;
}

function article(row) {
  const box = made("article"), title = made("h2");
  title.append(made("small", `${row.number}`), row.error ? "" : `${row.answer} ${row.score === null ? "" : `(${figure(row.score)})`}`);
  if (row.right === false) title.append(" ", made("em", `wrong, it is ${row.gold}`));
  if (apart(row)) title.append(made("mark", `methods disagree (${agreement(row).toFixed(2)})`));
  box.append(title);
  if (row.error) box.append(made("p", row.error, "error"));
  for (const part of row.parts) {
    if (row.parts.length > 1 || part.asked !== row.answer) box.append(made("p", `${part.asked} (${figure(part.value)})`, "asked"));
    for (const [name, method] of Object.entries(part.methods)) {
      const line = made("div", undefined, "method"), about = made("div");
      about.append(made("b", weak.has(name) ? `${name} (weak)` : name),
        `${figure(method.figures[0])} without, ${figure(method.figures[1])} alone`);
      about.title = `comprehensiveness, sufficiency; of drawn scores ${part.random.map(figure).join(", ")}`;
      line.append(about, words(part, method));
      box.append(line);
    }
  }
  return box;
}

function add() {
  byId("rows").append(...chosen.slice(shown, shown + PAGE).map(article));
  shown = Math.min(shown + PAGE, chosen.length);
  byId("more").hidden = shown >= chosen.length;
  byId("more").textContent = `${Math.min(PAGE, chosen.length - shown)} more`;
}

function choose() {
  const kind = byId("answers").value, answer = byId("answer").value, word = byId("search").value.trim().toLowerCase();
  const kinds = { wrong: row => row.right === false, right: row => row.right === true, apart };
  const holds = row => row.parts.some(part => part.words.some(([, text]) => text.toLowerCase().includes(word)));
  chosen = given.rows.filter(row => (!kind || kinds[kind](row)) && (!answer || row.answer === answer) && (!word || holds(row)));
  const orders = { sure: (a, b) => (b.score || 0) - (a.score || 0), unsure: (a, b) => (a.score || 0) - (b.score || 0),
    apart: (a, b) => agreement(a) - agreement(b) };
  const order = orders[byId("order").value];
  if (order) chosen.sort(order);
  byId("rows").replaceChildren();
  byId("said").textContent = `${chosen.length} of ${given.rows.length} rows`;
  shown = 0;
  add();
}

for (const answer of [...new Set(given.rows.map(row => row.answer))].slice(0, 200)) {
  const option = made("option", answer);
  option.value = answer;
  byId("answer").append(option);
}
byId("filter").addEventListener("input", choose);
byId("filter").addEventListener("submit", event => event.preventDefault());
byId("more").addEventListener("click", add);
choose();
