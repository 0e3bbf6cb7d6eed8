// Requests to the server: JSON in, JSON out, and errors of one line.

const ROOT = "api/v1/";
const admitted = admit();

export class ApiError extends Error {
  constructor(text, field = null, status = 0) {
    super(text);
    this.field = field;
    this.status = status;
  }
}

// A token stands behind the # of the address that the server prints: it opens a session, kept by a cookie.
async function admit() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return;
  history.replaceState(null, "", location.pathname + location.search);
  const body = JSON.stringify({ token });
  await fetch(`${ROOT}session`, { method: "POST", headers: { "Content-Type": "application/json" }, body });
}

export async function request(path, options = {}) {
  let answer;
  try {
    await admitted;
    answer = await fetch(path.startsWith("/") ? path : ROOT + path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("the server does not answer: start it with metricvae serve, then try again");
  }
  if (!answer.ok) throw await errorOf(answer);
  return answer;
}

async function errorOf(answer) {
  try {
    const said = await answer.json();
    return new ApiError(said.error ?? `the server refused this (${answer.status})`, said.field ?? null, answer.status);
  } catch {
    return new ApiError(`the server refused this (${answer.status})`, null, answer.status);
  }
}

export const get = async (path) => (await request(path)).json();

export async function post(path, body, signal = null) {
  const headers = { "Content-Type": "application/json" };
  return (await request(path, { method: "POST", headers, body: JSON.stringify(body), signal })).json();
}

// Send a file; the kind says what it holds, `file` that it is kept as it is, for jobs. Gives its record.
export async function upload(file, kind, more = {}) {
  const form = new FormData();
  for (const [name, value] of Object.entries({ kind, ...more })) form.append(name, value);
  form.append("file", file, file.name);
  return (await request("objects", { method: "POST", body: form })).json();
}

// Send many files, a few at once; `ondone(count)` after each. Records in the order of the files.
export async function uploadAll(files, kind, ondone, lanes = 4) {
  const records = [];
  let next = 0;
  let done = 0;
  const lane = async () => {
    while (next < files.length) {
      const place = next++;
      records[place] = await upload(files[place], kind);
      ondone(++done);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return records;
}

// The rows of `models`, `kinds`, `libraries` or `jobs`; none where the server does not answer.
export const list = async (name) => (await get(name).catch(() => ({})))[name] ?? [];

export const sendSmiles = (smiles) => post("objects", { kind: "molecule", smiles });

// Server-sent events of a response that is read as a stream: (event, data) for each, ("open", {}) before the first.
export async function readEvents(path, signal, on) {
  const answer = await request(path, { signal, headers: { Accept: "text/event-stream" } });
  on("open", {});
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text = (text + value).replaceAll("\r\n", "\n");
    const blocks = text.split("\n\n");
    text = blocks.pop();
    for (const block of blocks) deliver(block, on);
  }
}

function deliver(block, on) {
  let name = "message";
  const data = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
  }
  if (data.length) on(name, JSON.parse(data.join("\n")));
}

// A file behind the token, as a blob.
export const fetchBlob = async (path) => (await request(path)).blob();
export const fetchText = async (path) => (await request(path)).text();
