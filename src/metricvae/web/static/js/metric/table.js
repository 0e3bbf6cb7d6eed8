// The table of pairs: read from CSV, its columns guessed, its files matched by name.

export function readCsv(text) {
  const rows = [];
  let row = [];
  let cell = "";
  let quoted = false;
  const endCell = () => { row.push(cell); cell = ""; };
  const endRow = () => { endCell(); if (row.length > 1 || row[0] !== "") rows.push(row); row = []; };
  for (let at = 0; at < text.length; at++) {
    const letter = text[at];
    if (quoted) {
      if (letter !== '"') cell += letter;
      else if (text[at + 1] === '"') { cell += '"'; at++; } else quoted = false;
    } else if (letter === '"' && cell === "") quoted = true;
    else if (letter === ",") endCell();
    else if (letter === "\n") endRow();
    else if (letter !== "\r") cell += letter;
  }
  if (cell || row.length) endRow();
  const [names = [], ...body] = rows;
  return { names, rows: body };
}

// Names of the columns of both objects and the value: by name, else by what they hold.
export function guessColumns({ names, rows }) {
  const sample = rows.slice(0, 200);
  const numeric = names.map((_, column) => sample.length > 0 && sample.every((row) => row[column] !== "" && !Number.isNaN(Number(row[column]))));
  const find = (pattern, from) => names.findIndex((name, column) => pattern.test(name.trim()) && from(column));
  const text = (column) => !numeric[column];
  const a = first(find(/^(a|left|first|query)$/i, () => true), names.findIndex((_, column) => text(column)), 0);
  const b = first(find(/^(b|right|second|target)$/i, () => true), names.findIndex((_, column) => column !== a && text(column)), 1);
  const value = first(find(/value|distance|similarity|score|affinity/i, (column) => column !== a && column !== b), names.findIndex((_, column) => column !== a && column !== b && numeric[column]), 2);
  return { a: names[a], b: names[b], value: names[value] };
}

const first = (...places) => places.find((place) => place >= 0);

const last = (path) => path.split(/[\\/]/).pop();

// Which objects of the table are among the files, and which files to send.
export function matchFiles({ names, rows }, { a, b }, files) {
  const columns = [names.indexOf(a), names.indexOf(b)];
  const asked = new Set(rows.flatMap((row) => columns.map((column) => row[column])).filter(Boolean));
  const known = new Map(files.map((file) => [file.name, file]));
  const missing = [...asked].filter((name) => !known.has(last(name)));
  const wanted = new Set([...asked].map(last));
  return { asked: asked.size, missing, found: files.filter((file) => wanted.has(file.name)) };
}

// Whether cells name files, or are objects themselves (SMILES, sequences, numbers).
export const namesFiles = ({ rows }) => rows.slice(0, 20).some((row) => /\.[a-z0-9]{2,5}(\.gz)?$/i.test(row[0] ?? ""));

// A kind for the names of the files.
export function guessKind(files, table) {
  const ending = (files[0]?.name ?? table.rows[0]?.[0] ?? "").toLowerCase();
  if (/\.(png|jpe?g|gif|bmp|tiff?|webp|pgm)$/.test(ending)) return "image";
  if (/\.(sdf|mol2?|smi|smiles)$/.test(ending)) return "molecule";
  if (/\.(fasta|fa|faa|fna)$/.test(ending)) return "sequence";
  if (/\.(xyz|ply)$/.test(ending)) return "points";
  if (/\.(mrc|map|ccp4)$/.test(ending)) return "volume";
  if (/\.npy$/.test(ending)) return "vector";
  return /^[A-Za-z0-9@+\-[\]()=#/\\.%]+$/.test(ending) && /[()=#]/.test(ending) ? "molecule-2d" : "image";
}
