/** The places that store answers: the workflow's own server, JATOS, Pavlovia, or this browser, which sends or saves the
 * answers at the end. Each place has
 *
 *   begin() → {participant, order, rows}: the participant's name, order and stored rows; or {closed}, if an adaptive
 *     experiment has enough answers
 *   keep(row) → whether the row is the first of its step; stores an answer, or the announcement of a stimulus
 *   next(number) → optional; the file of a trial in an adaptive experiment, or null if there are no more trials
 *   end(rows, why) → {text, file}: a text for the participant, and optionally a file to save; `why` is the reason of an
 *     early end, or null
 *   ended(): optional; the text and file for a participant who has ended in this browser, else null
 *   forget(): optional; forgets the participant, so that another one can begin in this browser
 *   before, after: optional trials at the beginning and the end of jsPsych's timeline
 */

import { wait } from "./load.js";
import { END } from "./words.js";

const TRIES = 6;

export function randomName() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The order that the address names (?order=3), otherwise a random one. */
function anyOrder(orders) {
  const named = Number(new URLSearchParams(location.search).get("order") ?? NaN);
  if (Number.isInteger(named) && named >= 0) return named % orders;
  return crypto.getRandomValues(new Uint32Array(1))[0] % orders;
}

/** Why a server refused a request: its message for the participant, or status and text. */
function reason(status, text) {
  try {
    return JSON.parse(text).message ?? `(${status} ${text})`;
  } catch {
    return `(${status} ${text})`;
  }
}

/** Send JSON to an address of this site, several times if that fails; returns the reply. */
async function send(address, content, failed = "The answer could not be saved") {
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
      problem = reason(reply.status, await reply.text());
      if (reply.status < 500) break; // sending it again would not help
    } catch (error) {
      problem = `(${error.message})`;
    }
  }
  throw new Error(`${failed}. ${problem}`);
}

/** The participant's data in this browser's local storage. */
function memory(design) {
  const key = `metamers-${design.design}-${location.pathname}`;
  return {
    get: () => JSON.parse(localStorage.getItem(key) ?? "null"),
    set: (value) => localStorage.setItem(key, JSON.stringify(value)),
    forget: () => localStorage.removeItem(key),
    // After a reload, only a participant who did not agree begins again; others see that they have taken part.
    end: (value, why) => {
      if (why === "consent") localStorage.removeItem(key);
      else localStorage.setItem(key, JSON.stringify({ ...value, ended: true }));
    },
  };
}

function server(design) {
  const remembered = memory(design);
  let participant;
  return {
    forget: remembered.forget,
    ended: () => (remembered.get()?.ended ? {} : null),
    async begin() {
      const asked = { participant: remembered.get()?.participant, design: design.design };
      const reply = await send("api/begin", asked, "The experiment could not begin");
      const begun = await reply.json();
      if (begun.closed) return begun;
      participant = begun.participant;
      remembered.set({ participant });
      return begun;
    },
    async next(trial) {
      const reply = await send("api/next", { participant, trial }, "The next trial could not be loaded");
      return (await reply.json()).exhibit;
    },
    async keep(row) {
      const reply = await send("api/keep", { participant, row });
      return (await reply.json()).kept;
    },
    async end(_rows, why) {
      await send("api/end", { participant }, "The end of the experiment could not be stored");
      remembered.end({ participant }, why);
      return { text: END.saved };
    },
  };
}

/** The file of answers that a participant saves: its name, and an address for a link. */
function fileOf(participant, rows) {
  const content = new Blob([JSON.stringify(rows)], { type: "application/json" });
  return { name: `${participant}.json`, address: URL.createObjectURL(content) };
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
      kept = remembered.get() ?? kept; // another page may have stored rows
      const first = !kept.rows.some(({ step }) => step === row.step);
      if (first) remembered.set({ ...kept, rows: [...kept.rows, row] });
      return first;
    },
    // Answers that were not sent are kept, so that the file can be saved after a reload as well.
    ended() {
      const { ended, participant, answers } = remembered.get() ?? {};
      if (!ended) return null;
      return answers ? { text: END.send, file: fileOf(participant, answers) } : {};
    },
    async end(rows, why) {
      const { participant } = kept;
      const file = fileOf(participant, rows);
      let problem = "";
      if (address) {
        try {
          await send(address, rows);
          remembered.end({ participant }, why);
          return { text: END.saved };
        } catch (error) {
          problem = `${error.message} `;
        }
      }
      remembered.end({ participant, answers: rows }, why);
      return { text: `${problem}${END.send}`, file };
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

/** Pavlovia stores jsPsych's data in the last trial of its plugin. */
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
  if (design.adaptive && to !== "server") throw new Error(END.needsServer);
  return to === "server" ? server(design) : browser(design, address);
}
