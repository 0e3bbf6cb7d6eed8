// Shapes as masks: Uint8Array of SIZE x SIZE pixels, 1 inside. Pure functions but for those that say they change one.

export const SIZE = 200;

export const emptyMask = () => new Uint8Array(SIZE * SIZE);

export const area = (mask) => mask.reduce((sum, pixel) => sum + pixel, 0);

// Draw a line with a round brush into the mask, in place.
export function stroke(mask, from, to, radius, value) {
  const [ax, ay] = from;
  const [dx, dy] = [to[0] - ax, to[1] - ay];
  const length = dx * dx + dy * dy;
  const [left, right] = bounds(ax, to[0], radius);
  const [top, bottom] = bounds(ay, to[1], radius);
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      const share = length ? Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / length)) : 0;
      if ((x - ax - share * dx) ** 2 + (y - ay - share * dy) ** 2 <= radius * radius) mask[y * SIZE + x] = value;
    }
  }
}

function bounds(one, other, radius) {
  return [Math.max(0, Math.floor(Math.min(one, other) - radius)), Math.min(SIZE - 1, Math.ceil(Math.max(one, other) + radius))];
}

// Fill the region of like pixels about a point with a value, in place; says whether anything changed.
export function flood(mask, x, y, value) {
  const start = Math.round(y) * SIZE + Math.round(x);
  const old = mask[start];
  if (old === undefined || old === value) return false;
  const todo = [start];
  mask[start] = value;
  const reach = (place) => { if (mask[place] === old) { mask[place] = value; todo.push(place); } };
  while (todo.length) {
    const place = todo.pop();
    const column = place % SIZE;
    if (column > 0) reach(place - 1);
    if (column < SIZE - 1) reach(place + 1);
    if (place >= SIZE) reach(place - SIZE);
    if (place < SIZE * (SIZE - 1)) reach(place + SIZE);
  }
  return true;
}

const scratch = () => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIZE;
  return canvas.getContext("2d", { willReadFrequently: true });
};
const shared = scratch();

function pixelsOf(mask) {
  const image = new ImageData(SIZE, SIZE);
  const data = new Uint32Array(image.data.buffer);
  for (let place = 0; place < data.length; place++) data[place] = mask[place] ? 0xffffffff : 0xff000000;
  return image;
}

// Rows of digits, as the server reads shapes that are being drawn.
export function rowsOf(mask) {
  const rows = [];
  for (let start = 0; start < mask.length; start += SIZE) rows.push(mask.subarray(start, start + SIZE).join(""));
  return rows;
}

// White on black, as the server reads shapes: base64 of a PNG.
export function toPng(mask) {
  shared.putImageData(pixelsOf(mask), 0, 0);
  return shared.canvas.toDataURL("image/png").split(",")[1];
}

export function blobOf(base64, type = "image/png") {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return new Blob([bytes], { type });
}

// The mask in one colour with smooth outlines, `scale` times as large: the level set of the mask after a little blur,
// between whose pixels is interpolated.
export function sprite(mask, colour, scale = 3) {
  const field = blurred(mask);
  const side = SIZE * scale;
  const [r, g, b] = rgbOf(colour);
  const tint = (b << 16) | (g << 8) | r;
  const image = new ImageData(side, side);
  const data = new Uint32Array(image.data.buffer);
  const places = Array.from({ length: side }, (_, at) => Math.min(SIZE - 1, Math.max(0, (at + 0.5) / scale - 0.5)));
  const left = Int32Array.from(places, Math.floor);
  const right = left.map((at) => Math.min(SIZE - 1, at + 1));
  const share = Float32Array.from(places, (place, at) => place - left[at]);
  for (let y = 0; y < side; y++) {
    const [above, below, down] = [left[y] * SIZE, right[y] * SIZE, share[y]];
    for (let x = 0; x < side; x++) {
      const [l, m] = [left[x], right[x]];
      const top = field[above + l] + share[x] * (field[above + m] - field[above + l]);
      const bottom = field[below + l] + share[x] * (field[below + m] - field[below + l]);
      const value = (top + down * (bottom - top) - 0.5) * scale + 0.5;
      if (value > 0) data[y * side + x] = tint | ((value >= 1 ? 255 : 255 * value) << 24);
    }
  }
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side;
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

// Means over 3 x 3 pixels, those in the middle weighing most.
function blurred(mask) {
  const across = new Float32Array(mask.length);
  const field = new Float32Array(mask.length);
  for (let place = 0; place < mask.length; place++) across[place] = ((mask[place - 1] ?? 0) + 2 * mask[place] + (mask[place + 1] ?? 0)) / 4;
  for (let place = 0; place < mask.length; place++) field[place] = ((across[place - SIZE] ?? 0) + 2 * across[place] + (across[place + SIZE] ?? 0)) / 4;
  return field;
}

export function rgbOf(colour) {
  const digits = colour.replace("#", "");
  return [0, 2, 4].map((start) => parseInt(digits.slice(start, start + 2), 16));
}

// A mask of what a function draws in white.
export function drawn(draw) {
  const context = scratch();
  context.fillStyle = context.strokeStyle = "#fff";
  draw(context);
  return threshold(context.getImageData(0, 0, SIZE, SIZE), false);
}

function threshold(image, inverted) {
  const mask = emptyMask();
  const { data } = image;
  for (let place = 0; place < mask.length; place++) {
    const [r, g, b, alpha] = data.subarray(4 * place, 4 * place + 4);
    const light = (0.3 * r + 0.59 * g + 0.11 * b) * (alpha / 255) >= 128;
    mask[place] = light !== inverted ? 1 : 0;
  }
  return mask;
}

// The shape in a picture file: light on dark; dark on light, or opaque on transparent, is turned round. Pictures of
// other sizes are scaled to fit.
export async function fromFile(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error(`${file.name} is no picture that this browser reads: drop a PNG`);
  }
  return fromBitmap(bitmap);
}

export function fromBitmap(bitmap) {
  const context = scratch();
  const exact = bitmap.width === SIZE && bitmap.height === SIZE;
  const scale = exact ? 1 : Math.min((0.9 * SIZE) / bitmap.width, (0.9 * SIZE) / bitmap.height);
  const [width, height] = [bitmap.width * scale, bitmap.height * scale];
  const small = document.createElement("canvas");
  small.width = Math.max(1, Math.round(width));
  small.height = Math.max(1, Math.round(height));
  const inner = small.getContext("2d", { willReadFrequently: true });
  inner.drawImage(bitmap, 0, 0, small.width, small.height);
  const image = inner.getImageData(0, 0, small.width, small.height);
  normalise(image);
  inner.putImageData(image, 0, 0);
  context.drawImage(small, Math.round((SIZE - small.width) / 2), Math.round((SIZE - small.height) / 2));
  return threshold(context.getImageData(0, 0, SIZE, SIZE), false);
}

// Make the shape white on black, in place: what is on the border is taken for the ground.
function normalise({ data, width, height }) {
  const value = (x, y) => {
    const place = 4 * (y * width + x);
    return { light: (data[place] + data[place + 1] + data[place + 2]) / 3, alpha: data[place + 3] };
  };
  const border = [];
  for (let x = 0; x < width; x++) border.push(value(x, 0), value(x, height - 1));
  for (let y = 0; y < height; y++) border.push(value(0, y), value(width - 1, y));
  const clear = border.filter((one) => one.alpha < 128).length > border.length / 2;
  const bright = border.filter((one) => one.light >= 128).length > border.length / 2;
  for (let place = 0; place < data.length; place += 4) {
    const light = (data[place] + data[place + 1] + data[place + 2]) / 3;
    const inside = clear ? data[place + 3] >= 128 : (light >= 128) !== bright;
    data[place] = data[place + 1] = data[place + 2] = inside ? 255 : 0;
    data[place + 3] = 255;
  }
}

export const fromBase64 = async (base64) => fromBitmap(await createImageBitmap(blobOf(base64)));

// The shape after a motion: turned counter-clockwise by degrees about the middle, then shifted.
export function moved(mask, angle, dx = 0, dy = 0) {
  const source = sprite(mask, "#ffffff", 1);
  return drawn((context) => {
    context.translate(SIZE / 2 + dx, SIZE / 2 + dy);
    context.rotate((-angle * Math.PI) / 180);
    context.drawImage(source, -SIZE / 2, -SIZE / 2);
  });
}
