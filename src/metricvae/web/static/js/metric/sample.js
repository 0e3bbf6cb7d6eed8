// An example to try the page with: small pictures of ink drops, and how much ink has to be moved how far between their
// profiles (the Wasserstein distance), which no part of metricvae knows.

const SIDE = 16;
const COUNT = 160;
const PAIRS = 2400;

// Numbers in [0, 1) from a seed (mulberry32).
function randomOf(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function drop(random) {
  const levels = new Float64Array(SIDE * SIDE);
  for (let spot = 0; spot < 1 + Math.floor(3 * random()); spot++) {
    const [a, b, size] = [3 + 9 * random(), 3 + 9 * random(), 1 + 2 * random()];
    for (let place = 0; place < levels.length; place++) {
      levels[place] += Math.exp(-(((place % SIDE) - a) ** 2 + (Math.floor(place / SIDE) - b) ** 2) / (2 * size ** 2));
    }
  }
  const most = Math.max(...levels);
  return levels.map((level) => Math.round((255 * level) / most));
}

// How much of its ink lies left of each column.
function profile(levels) {
  const sums = Array.from({ length: SIDE }, (_, x) => levels.reduce((sum, level, place) => sum + (place % SIDE === x ? level : 0), 0));
  const total = sums.reduce((sum, value) => sum + value, 0);
  let share = 0;
  return sums.map((value) => (share += value / total));
}

const distance = (one, other) => one.reduce((sum, share, at) => sum + Math.abs(share - other[at]), 0);

async function png(levels, name) {
  const canvas = new OffscreenCanvas(SIDE, SIDE);
  const image = new ImageData(SIDE, SIDE);
  levels.forEach((level, place) => image.data.set([level, level, level, 255], 4 * place));
  canvas.getContext("2d").putImageData(image, 0, 0);
  return new File([await canvas.convertToBlob({ type: "image/png" })], name, { type: "image/png" });
}

export async function sample(seed = 1) {
  const random = randomOf(seed);
  const drops = Array.from({ length: COUNT }, () => drop(random));
  const profiles = drops.map(profile);
  const name = (number) => `${String(number).padStart(3, "0")}.png`;
  const files = await Promise.all(drops.map((levels, number) => png(levels, name(number))));
  const rows = Array.from({ length: PAIRS }, () => {
    const [one, other] = [Math.floor(COUNT * random()), Math.floor(COUNT * random())];
    return `${name(one)},${name(other)},${distance(profiles[one], profiles[other]).toFixed(4)}`;
  });
  return { table: new File([`a,b,distance\n${rows.join("\n")}\n`], "pairs.csv", { type: "text/csv" }), files };
}
