/** Loading of stimuli ahead of their trials, so that participants do not wait, and playback of sounds. */

const AHEAD = 3;

let context = null;

/** The AudioContext, which can play only after the participant's first click. */
export function audio() {
  context ??= new AudioContext();
  return context;
}

/** Fetch and decode a stimulus: an ImageBitmap or an AudioBuffer. */
export async function decoded(file) {
  const reply = await fetch(file);
  if (!reply.ok) throw new Error(`${file}: ${reply.status}`);
  if (file.endsWith(".wav")) return audio().decodeAudioData(await reply.arrayBuffer());
  return createImageBitmap(await reply.blob());
}

/** Given a function that returns the file of the nth trial, or undefined if it is not known yet, return a function that
 * returns this file, decoded. */
export function loader(fileOf) {
  const loaded = new Map();
  const load = (place) => {
    const file = fileOf(place);
    if (file === undefined || loaded.has(file)) return;
    const promise = decoded(file);
    promise.catch(() => loaded.delete(file)); // fetched again when its trial comes
    loaded.set(file, promise);
  };
  return async (place) => {
    load(place);
    const wanted = loaded.get(fileOf(place));
    for (let next = place + 1; next <= place + AHEAD; next++) load(next);
    const stimulus = await wanted;
    loaded.delete(fileOf(place - 1));
    return stimulus;
  };
}

export const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Wait until a button is pressed. It gets the focus after a moment, so that a key held down does not press it. */
export async function pressed(button) {
  button.addEventListener("keydown", (event) => event.repeat && event.preventDefault());
  setTimeout(() => button.focus(), 300);
  await new Promise((resolve) => button.addEventListener("click", resolve, { once: true }));
}

/** Play a buffer once and wait for its end. */
export async function play(buffer) {
  await audio().resume();
  const source = new AudioBufferSourceNode(audio(), { buffer });
  source.connect(audio().destination);
  const ended = new Promise((resolve) => source.addEventListener("ended", resolve, { once: true }));
  source.start();
  await ended;
}
