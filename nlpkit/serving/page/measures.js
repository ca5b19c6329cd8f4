// How long the last requests took, and how the server is.

import { get } from "./ask.js";
import { counted, drawing, element, milliseconds } from "./elements.js";

const KEPT = 50; // requests
const WIDTH = 240, HEIGHT = 40;

export class Times {
  constructor() {
    this.rows = [];
  }

  // `server`: the milliseconds that the server told, null where it did not; `whole`: until all was here.
  add({ server, whole }) {
    this.rows = [...this.rows, { server, whole }].slice(-KEPT);
  }

  drawn() {
    const lines = { "round trip": this.rows.map(({ whole }) => whole), server: this.rows.map(({ server }) => server).filter(one => one !== null) };
    const most = Math.max(...lines["round trip"]);
    const row = ([name, values]) => element(
      "tr", {},
      element("th", { scope: "row" }, name),
      ...[0.5, 0.95].map(share => element("td", {}, values.length ? milliseconds(quantile(values, share)) : "not told")),
      element("td", {}, sparkline(values, most, name)),
    );
    const head = ["", "p50", "p95", "each, the newest at the right"].map(name => element("th", { scope: "col" }, name));
    const caption = element("caption", {}, `${counted(this.rows.length, "request", "requests")} of this page, at most ${KEPT} are kept`);
    return element("table", {}, caption, element("thead", {}, element("tr", {}, head)), element("tbody", {}, Object.entries(lines).map(row)));
  }
}

// The value below which a share of the values lie, between two of them in proportion.
export function quantile(values, share) {
  const sorted = [...values].sort((one, other) => one - other), at = share * (sorted.length - 1);
  const below = sorted[Math.floor(at)], above = sorted[Math.ceil(at)];
  return below + (above - below) * (at % 1);
}

function sparkline(values, most, name) {
  const points = values.map((value, i) => [WIDTH - (values.length - i - 0.5) * (WIDTH / KEPT), HEIGHT - 3 - (value / most) * (HEIGHT - 6)]);
  const title = drawing("title", {}, `${name}: ${values.map(milliseconds).join(", ")}; ${milliseconds(most)} is at the top`);
  const line = drawing("polyline", { points: points.join(" "), fill: "none" });
  const dots = points.map(([x, y]) => drawing("circle", { cx: x, cy: y, r: "1.8" }));
  return drawing("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" }, title, line, ...dots);
}

// Whether the server takes requests: ready, starting, draining, failing, or gone.
export async function statusOf() {
  try {
    const answer = await fetch("/health/ready");
    return (await answer.json()).status ?? (answer.ok ? "ready" : "failing");
  } catch {
    return "gone";
  }
}

// The seconds of work that wait before a request, by model.
export async function waiting() {
  const text = await get("/metrics").then(answer => answer.text(), () => "");
  return new Map([...text.matchAll(/^nlpkit_waiting_seconds\{model="([^"]*)"\} (\S+)/gm)].map(([, model, value]) => [model, Number(value)]));
}
