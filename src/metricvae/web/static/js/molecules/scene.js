// Molecules where they lie: their record and pharmacophore features, from the server, and moved by a pose.
import { get } from "../lib/api.js";
import { applied, moved } from "./sdf.js";

const scenes = new Map();

// {sdf, features} of an object of the server.
export function sceneOf(id) {
  if (!scenes.has(id)) scenes.set(id, get(`objects/${id}/scene`).catch((error) => { scenes.delete(id); throw error; }));
  return scenes.get(id);
}

// The scene after the motion x -> R x + t.
export function placed(scene, pose) {
  if (!pose?.rotation) return scene;
  const { rotation, translation } = pose;
  const features = (scene.features ?? []).map(([type, x, y, z, radius]) => [type, ...applied(rotation, translation, [x, y, z]), radius]);
  return { sdf: moved(scene.sdf, rotation, translation), features };
}

export const join = (scenes) => scenes.map(({ sdf }) => (sdf.includes("$$$$") ? sdf : `${sdf.trimEnd()}\n$$$$$$$$\n`)).join("");
