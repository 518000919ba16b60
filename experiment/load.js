/** Stimuli, fetched ahead of their trials, so that none is waited for while the next one is shown. */

const AHEAD = 3;

let context = null;

/** What plays sounds; it may only begin to after the participant has clicked somewhere. */
export function audio() {
  context ??= new AudioContext();
  return context;
}

/** A stimulus out of its file: an ImageBitmap or an AudioBuffer. */
export async function decoded(file) {
  const reply = await fetch(file);
  if (!reply.ok) throw new Error(`${file}: ${reply.status}`);
  if (file.endsWith(".wav")) return audio().decodeAudioData(await reply.arrayBuffer());
  return createImageBitmap(await reply.blob());
}

/** From the files in the order of their trials to a function that gives the nth, decoded. */
export function loader(files) {
  const loaded = new Map();
  const load = (place) => {
    const file = files[place];
    if (file === undefined || loaded.has(file)) return;
    const promise = decoded(file);
    promise.catch(() => loaded.delete(file)); // asked for again when its trial comes
    loaded.set(file, promise);
  };
  return async (place) => {
    load(place);
    const wanted = loaded.get(files[place]);
    for (let next = place + 1; next <= place + AHEAD; next++) load(next);
    const stimulus = await wanted;
    loaded.delete(files[place - 1]);
    return stimulus;
  };
}

export const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** When a button is pressed. It can be by keyboard a moment later, so that a key held down presses nothing by itself. */
export async function pressed(button) {
  button.addEventListener("keydown", (event) => event.repeat && event.preventDefault());
  setTimeout(() => button.focus(), 300);
  await new Promise((resolve) => button.addEventListener("click", resolve, { once: true }));
}

/** Play a buffer once, to its end. */
export async function play(buffer) {
  await audio().resume();
  const source = new AudioBufferSourceNode(audio(), { buffer });
  source.connect(audio().destination);
  const ended = new Promise((resolve) => source.addEventListener("ended", resolve, { once: true }));
  source.start();
  await ended;
}
