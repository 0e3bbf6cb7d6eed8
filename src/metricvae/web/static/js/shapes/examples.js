// Shapes to begin with, drawn as paths on the canvas of 200 x 200 pixels.
import { SIZE, drawn, moved } from "./mask.js";

const C = SIZE / 2;
const path = (text) => drawn((context) => context.fill(new Path2D(text), "evenodd"));

function star(points, outer, inner) {
  return drawn((context) => {
    context.beginPath();
    for (let i = 0; i < 2 * points; i++) {
      const [radius, angle] = [i % 2 ? inner : outer, (Math.PI * i) / points - Math.PI / 2];
      context.lineTo(C + radius * Math.cos(angle), C + radius * Math.sin(angle));
    }
    context.fill();
  });
}

function gear() {
  return drawn((context) => {
    context.beginPath();
    for (let i = 0; i < 40; i++) {
      const radius = i % 4 < 2 ? 70 : 54;
      const angle = (2 * Math.PI * (i + (i % 2 ? 0.1 : -0.1))) / 40;
      context.lineTo(C + radius * Math.cos(angle), C + radius * Math.sin(angle));
    }
    context.closePath();
    context.arc(C, C, 22, 0, 2 * Math.PI, true);
    context.fill("evenodd");
  });
}

function wrench() {
  return drawn((context) => {
    context.translate(C, C);
    context.rotate(-Math.PI / 4);
    context.beginPath();
    context.roundRect(-52, -13, 104, 26, 6);
    context.fill();
    for (const [x, radius, angle] of [[-62, 32, Math.PI], [62, 26, 0]]) {
      context.save();
      context.translate(x, 0);
      context.rotate(angle);
      context.beginPath();
      context.arc(0, 0, radius, 0.5, 2 * Math.PI - 0.5);
      context.lineTo(2, -0.4 * radius);
      context.lineTo(2, 0.4 * radius);
      context.closePath();
      context.fill();
      context.restore();
    }
  });
}

function key() {
  return drawn((context) => {
    context.lineWidth = 18;
    context.beginPath();
    context.arc(58, 100, 28, 0, 2 * Math.PI);
    context.stroke();
    context.fillRect(84, 91, 92, 18);
    context.fillRect(136, 100, 14, 32);
    context.fillRect(162, 100, 14, 26);
  });
}

function flower() {
  return drawn((context) => {
    for (let i = 0; i < 6; i++) {
      const angle = (Math.PI * i) / 3;
      context.beginPath();
      context.ellipse(C + 40 * Math.cos(angle), C + 40 * Math.sin(angle), 34, 19, angle, 0, 2 * Math.PI);
      context.fill();
    }
  });
}

export const EXAMPLES = [
  ["Wrench", wrench],
  ["Star", () => star(5, 78, 34)],
  ["Gear", gear],
  ["Key", key],
  ["Leaf", () => path("M30 172C20 90 70 36 172 28C176 120 128 176 62 160L40 182Z")],
  ["Fish", () => path("M24 100C52 48 112 44 146 86L182 58C176 86 176 114 182 142L146 114C112 156 52 152 24 100Z")],
  ["Flower", flower],
  ["Moose", () => path("M48 178L54 124C44 118 38 110 34 98L22 102L18 92L32 82L40 70L30 60L26 44L34 50L38 38L44 54L50 42L54 58L62 52L58 70L66 80C84 72 124 74 150 82C166 88 172 100 170 120L176 178H164L156 132L150 178H138L134 134C116 140 92 140 78 136L72 178H62L64 138L58 178Z")],
  ["Bolt", () => path("M116 18L46 114H92L76 184L154 82H106Z")],
];

// Two halves of a shape, cut along a zigzag, the second one turned.
export function halves(mask, random = Math.random) {
  const edge = Array.from({ length: SIZE }, (_, y) => C + 10 * Math.abs(((y + 8) / 12) % 2 - 1) * 2 - 10 + 6 * Math.sin(y / 23));
  const first = mask.map((pixel, place) => pixel && place % SIZE < edge[Math.floor(place / SIZE)] ? 1 : 0);
  const second = mask.map((pixel, place) => pixel && !first[place] ? 1 : 0);
  return [centred(first), moved(centred(second), 40 + 280 * random())];
}

function centred(mask) {
  let [sum, x, y] = [0, 0, 0];
  mask.forEach((pixel, place) => { if (pixel) { sum += 1; x += place % SIZE; y += Math.floor(place / SIZE); } });
  return sum ? moved(mask, 0, Math.round(C - x / sum), Math.round(C - y / sum)) : mask;
}
