// Requests to the server that this page comes from: JSON, and events as they are sent.

const KEY = "nlpkit-api-key";

// A key lives as long as the tab, and is sent to this server alone.
export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: value => (value ? sessionStorage.setItem(KEY, value) : sessionStorage.removeItem(KEY)),
};

// What the server, or the way to it, has against a request.
export class Refused extends Error {
  constructor(message, { status = 0, type = "", where = [], retryAfter = null, id = "" } = {}) {
    super(message);
    Object.assign(this, { status, type, where, retryAfter, id });
  }
}

const headers = () => (key.get() ? { authorization: `Bearer ${key.get()}` } : {});

export async function get(path) {
  const answer = await reached(path, { headers: headers() });
  if (!answer.ok) throw await refusal(answer);
  return answer;
}

// Ask, and hand on each event of an answer that is sent in pieces.
//
// Returns {body, server, first, whole}: the answer, null of one in pieces; the milliseconds in the server, until the first
// piece, and until all was here, null where there is no such time.
export async function ask(path, body, { signal, onEvent }) {
  const start = performance.now();
  const request = { method: "POST", headers: { "content-type": "application/json", ...headers() }, signal };
  const answer = await reached(path, { ...request, body: JSON.stringify(body) });
  if (!answer.ok) throw await refusal(answer);
  const found = { body: null, server: null, first: null };
  if (answer.headers.get("content-type").startsWith("text/event-stream")) {
    for await (const { event, data } of events(answer.body)) {
      if (event === "error") throw refused(data.error, answer);
      found.first ??= performance.now() - start;
      onEvent(data);
    }
  } else {
    found.body = await answer.json();
    found.server = serverTime(answer); // of an answer in pieces it would be that of its beginning
  }
  return { ...found, whole: performance.now() - start };
}

async function reached(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("The server does not answer. Is it still running?");
  }
}

async function refusal(answer) {
  const said = await answer.json().catch(() => null);
  return refused(said?.error ?? { message: `${answer.status} ${answer.statusText}` }, answer);
}

function refused(error, answer) {
  const retryAfter = answer.headers.get("retry-after");
  return new Refused(error.message, { ...error, status: answer.status, retryAfter, id: error.request_id });
}

// The milliseconds in which the server says that it answered (header Server-Timing); null where it does not say.
function serverTime(answer) {
  const told = (answer.headers.get("server-timing") ?? "").match(/\btotal;dur=([\d.]+)/);
  return told ? Number(told[1]) : null;
}

// Server-sent events of JSON, up to the one that says that no more will come.
async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new Refused("The answer broke off: the server closed the connection.");
    const parts = (rest + value).split(/\r?\n\r?\n/);
    rest = parts.pop();
    for (const part of parts) {
      const lines = part.split(/\r?\n/);
      const of = name => lines.filter(line => line.startsWith(`${name}:`)).map(line => line.slice(name.length + 1).trim());
      const data = of("data").join("\n");
      if (data === "[DONE]") return;
      if (data) yield { event: of("event")[0] ?? "message", data: JSON.parse(data) };
    }
  }
}
