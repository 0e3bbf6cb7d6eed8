// Surfaces of molecules as sums of Gaussians: of the atoms (shape), and of each type of feature (colour).
/* global $3Dmol */

export const FEATURES = { donor: "#3e7ae2", acceptor: "#e2483c", cation: "#8a5fd0", anion: "#b3261e", ring: "#2ca86c", hydrophobe: "#b08c00" };
export const featureColour = (type) => FEATURES[type] ?? "#8a94a0";

const RADII = { C: 1.7, N: 1.55, O: 1.52, S: 1.8, P: 1.8, F: 1.47, Cl: 1.75, Br: 1.85, I: 1.98, B: 1.92, Si: 2.1, Se: 1.9 };
const KAPPA = Math.PI * ((3 * Math.sqrt(8)) / (4 * Math.PI)) ** (2 / 3); // Grant and Pickup: a Gaussian of the volume of the atom's sphere
const FEATURE_RADIUS = 1.7;
const STEP = 0.4;
const MARGIN = 3;

// Gaussians [x, y, z, radius] of the heavy atoms.
export const ofAtoms = (atoms) => atoms.filter(([element]) => element !== "H").map(([element, ...place]) => [...place, RADII[element] ?? 1.7]);

// Gaussians of each type of feature: type -> list of [x, y, z, radius].
export function ofFeatures(features) {
  const types = {};
  for (const [type, x, y, z] of features) (types[type] ??= []).push([x, y, z, FEATURE_RADIUS]);
  return types;
}

// Draw where the sum of the Gaussians is that of a lone one at its radius.
export function addSurface(viewer, gaussians, color, opacity) {
  if (!gaussians.length) return;
  viewer.addIsosurface(volume(gaussians), { isoval: Math.exp(-KAPPA), color, opacity, smoothness: 3 });
}

function volume(gaussians) {
  const low = [0, 1, 2].map((axis) => Math.min(...gaussians.map((one) => one[axis])) - MARGIN);
  const high = [0, 1, 2].map((axis) => Math.max(...gaussians.map((one) => one[axis])) + MARGIN);
  const size = low.map((start, axis) => Math.ceil((high[axis] - start) / STEP) + 1);
  const values = new Float32Array(size[0] * size[1] * size[2]);
  for (const [x, y, z, radius] of gaussians) {
    const alpha = KAPPA / (radius * radius);
    const axes = [x, y, z].map((centre, axis) =>
      Array.from({ length: size[axis] }, (_, i) => Math.exp(-alpha * (low[axis] + i * STEP - centre) ** 2)));
    let place = 0;
    for (const a of axes[0]) for (const b of axes[1]) for (const c of axes[2]) values[place++] += a * b * c;
  }
  const made = new $3Dmol.VolumeData("", "none");
  made.size = { x: size[0], y: size[1], z: size[2] };
  made.unit = { x: STEP, y: STEP, z: STEP };
  made.origin = { x: low[0], y: low[1], z: low[2] };
  made.data = values;
  return made;
}
