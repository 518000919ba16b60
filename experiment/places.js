/** Where answers go, and from where a participant who comes back goes on: the workflow's own server, JATOS, Pavlovia,
 * or this browser, which hands them over at the end. Each place has
 *
 *   begin() → {participant, order, rows}: who it is, which order is theirs, and what they have answered already
 *   keep(row) → whether it was the first of its step: one answer, or that a stimulus is about to be shown, is safe when
 *     this has ended
 *   end(rows) → what is said to the participant, and perhaps a file for them to save
 *   before, after: what must come first and last in jsPsych's timeline
 */

import { wait } from "./load.js";
import { END } from "./words.js";

const TRIES = 6;

export function randomName() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The order that the address names (?order=3), else one at random. */
function anyOrder(orders) {
  const named = Number(new URLSearchParams(location.search).get("order") ?? NaN);
  if (Number.isInteger(named) && named >= 0) return named % orders;
  return crypto.getRandomValues(new Uint32Array(1))[0] % orders;
}

/** Send JSON to an address of this site, again if it fails; what it replies. */
async function send(address, content) {
  let problem;
  for (let attempt = 0; attempt < TRIES; attempt++) {
    if (attempt) await wait(250 * 2 ** attempt);
    try {
      const reply = await fetch(address, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(content),
      });
      if (reply.ok) return reply;
      problem = `${reply.status} ${await reply.text()}`;
      if (reply.status < 500) break; // it will not be taken however often it is sent
    } catch (error) {
      problem = error.message;
    }
  }
  throw new Error(`The answer could not be saved (${problem}).`);
}

/** What this browser remembers of a participant, if it may remember anything. */
function memory(design) {
  const key = `metamers-${design.design}-${location.pathname}`;
  return {
    get: () => JSON.parse(localStorage.getItem(key) ?? "null"),
    set: (value) => localStorage.setItem(key, JSON.stringify(value)),
    forget: () => localStorage.removeItem(key),
  };
}

function server(design) {
  const remembered = memory(design);
  let participant;
  return {
    forget: remembered.forget,
    async begin() {
      const reply = await send("api/begin", { participant: remembered.get(), design: design.design });
      const begun = await reply.json();
      participant = begun.participant;
      remembered.set(participant);
      return begun;
    },
    async keep(row) {
      const reply = await send("api/keep", { participant, row });
      return (await reply.json()).kept;
    },
    async end() {
      await send("api/end", { participant });
      remembered.forget();
      return { text: END.saved };
    },
  };
}

function browser(design, address) {
  const remembered = memory(design);
  let kept;
  return {
    forget: remembered.forget,
    async begin() {
      kept = remembered.get() ?? { participant: randomName(), order: anyOrder(design.orders.length), rows: [] };
      remembered.set(kept);
      return kept;
    },
    async keep(row) {
      kept = remembered.get() ?? kept; // another page may have been at it
      const first = !kept.rows.some(({ step }) => step === row.step);
      if (first) remembered.set({ ...kept, rows: [...kept.rows, row] });
      return first;
    },
    async end(rows) {
      const file = {
        name: `${kept.participant}.json`,
        address: URL.createObjectURL(new Blob([JSON.stringify(rows)], { type: "application/json" })),
      };
      if (!address) return { text: END.send, file };
      try {
        await send(address, rows);
      } catch (error) {
        return { text: `${error.message} ${END.send}`, file };
      }
      remembered.forget();
      return { text: END.saved };
    },
  };
}

async function inJatos(design, jatos) {
  await new Promise((resolve) => jatos.onLoad(resolve));
  let rows = [];
  const give = () => jatos.submitResultData(JSON.stringify(rows));
  return {
    async begin() {
      const before = jatos.studySessionData?.metamers;
      rows = before?.rows ?? [];
      const number = Number(jatos.studyResultId);
      const order = Number.isInteger(number) ? number % design.orders.length : anyOrder(design.orders.length);
      const participant = `jatos-${jatos.studyResultId}`;
      return { participant: before?.participant ?? participant, order: before?.order ?? order, rows };
    },
    async keep(row) {
      rows = [...rows, row];
      const { participant, order } = row;
      await jatos.setStudySessionData({ ...jatos.studySessionData, metamers: { participant, order, rows } });
      if (row.kind !== "shown") await give();
      return true;
    },
    async end() {
      await give();
      jatos.endStudy();
      return { text: END.saved };
    },
  };
}

/** Pavlovia keeps what jsPsych has when its plugin's last trial comes. */
function inPavlovia(design, plugin) {
  return {
    before: [{ type: plugin, command: "init" }],
    after: [{ type: plugin, command: "finish" }],
    async begin() {
      return { participant: randomName(), order: anyOrder(design.orders.length), rows: [] };
    },
    async keep() {
      return true;
    },
    async end() {
      return { text: END.saved };
    },
  };
}

export async function findPlace(design) {
  if (window.jatos) return inJatos(design, window.jatos);
  if (window.jsPsychPavlovia) return inPavlovia(design, window.jsPsychPavlovia);
  const { to, address } = await (await fetch("answers.json")).json();
  return to === "server" ? server(design) : browser(design, address);
}
