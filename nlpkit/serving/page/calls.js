// The request of the page as lines of curl, Python and JavaScript. A key is named by its variable, and never shown.

const VARIABLE = "NLPKIT_API_KEY";

// Language -> lines that send `body` to `url`; `keyed` where the server wants a key.
export const languages = { curl, Python: python, JavaScript: javascript };

function curl(url, body, keyed) {
  const parts = [
    `curl ${body.stream ? "--no-buffer " : ""}${quoted(url)}`,
    `-H 'content-type: application/json'`,
    ...(keyed ? [`-H "authorization: Bearer $${VARIABLE}"`] : []),
    `-d ${quoted(JSON.stringify(body))}`,
  ];
  return parts.join(" \\\n  ");
}

// A text as a shell takes it whole.
const quoted = text => `'${text.replaceAll("'", `'\\''`)}'`;

function python(url, body, keyed) {
  const libraries = [...(body.stream ? ["json"] : []), ...(keyed ? ["os"] : [])].map(name => `import ${name}\n`);
  const given = [
    JSON.stringify(url),
    `json=${literal(body)}`,
    ...(keyed ? [`headers={"Authorization": "Bearer " + os.environ["${VARIABLE}"]}`] : []),
    ...(body.stream ? ["stream=True"] : []),
  ];
  const call = `answer = requests.post(\n${given.map(part => `    ${part},\n`).join("")})\nanswer.raise_for_status()\n`;
  const start = `${libraries.join("")}${libraries.length ? "\n" : ""}import requests\n\n${call}`;
  if (!body.stream) return `${start}print(answer.json()["${resultOf(url)}"])`;
  return `${start}for line in answer.iter_lines():
    if line.startswith(b"data: {"):
        print(json.loads(line[6:]).get("text", ""), end="", flush=True)`;
}

// A value of JSON as Python writes it.
function literal(value) {
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (value === null || typeof value === "boolean") return { null: "None", true: "True", false: "False" }[value];
  if (typeof value !== "object") return JSON.stringify(value);
  return `{${Object.entries(value).map(([name, one]) => `${JSON.stringify(name)}: ${literal(one)}`).join(", ")}}`;
}

function javascript(url, body, keyed) {
  const headers = `"content-type": "application/json"${keyed ? `, authorization: \`Bearer \${process.env.${VARIABLE}}\`` : ""}`;
  const call = `const answer = await fetch(${JSON.stringify(url)}, {
  method: "POST",
  headers: { ${headers} },
  body: JSON.stringify(${JSON.stringify(body)}),
});
if (!answer.ok) throw new Error(await answer.text());
`;
  if (!body.stream) return `${call}console.log((await answer.json()).${resultOf(url)});`;
  return `${call}let rest = "";
for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + piece).split("\\n");
  rest = lines.pop();
  for (const line of lines) {
    if (line.startsWith("data: {")) console.log(JSON.parse(line.slice(6)).text ?? "");
  }
}`;
}

// The entry of an answer that holds what was asked for.
const resultOf = url => (url.endsWith("/search") ? "results" : url.endsWith("/embed") ? "vectors" : "answers");
