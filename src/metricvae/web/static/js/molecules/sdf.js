// Records of an SDF: split, read, moved.

export const split = (text) => text.split(/^\$\$\$\$\r?\n?/m).filter((record) => record.trim());

export function read(record) {
  const lines = record.split(/\r?\n/);
  const fields = {};
  lines.forEach((line, at) => {
    const name = /^>.*<(.+)>/.exec(line)?.[1];
    if (name) fields[name] = lines[at + 1] ?? "";
  });
  return { name: lines[0].trim(), fields, record };
}

// [element, x, y, z] of each atom of a V2000 record.
export function atoms(record) {
  const lines = record.split(/\r?\n/);
  const count = Number(lines[3]?.slice(0, 3));
  return lines.slice(4, 4 + count).map((line) => [line.slice(31, 34).trim(), ...[0, 10, 20].map((at) => Number(line.slice(at, at + 10)))]);
}

// R x + t.
export const applied = (rotation, translation, place) =>
  rotation.map((row, axis) => row.reduce((sum, value, other) => sum + value * place[other], translation[axis]));

// The record after a rigid motion x -> R x + t.
export function moved(record, rotation, translation) {
  const lines = record.split("\n");
  const count = Number(lines[3].slice(0, 3));
  for (let at = 4; at < 4 + count; at++) {
    const place = [0, 10, 20].map((start) => Number(lines[at].slice(start, start + 10)));
    const now = applied(rotation, translation, place);
    lines[at] = now.map((value) => value.toFixed(4).padStart(10)).join("") + lines[at].slice(30);
  }
  return lines.join("\n");
}
