"use strict";
// The browser of metamers: shows what the address names, and names in the address what is shown.

{
  const PAGE_CELLS = 60; // thumbnails at once, so that a page stays small however many metamers there are
  const part = id => document.getElementById(id);
  const choices = ["model", "stage", "stimulus", "seed"];
  const { make } = metamers;
  const play = metamers.sounds(part("natural-sound"), part("metamer-sound"), part("both"));
  const enlarge = metamers.enlarge([part("natural-pane"), part("metamer-pane")], part("size"), part("smaller"), part("larger"));
  const models = [...part("model").options].map(option => option.value);

  let model = null; // its data
  let at = { stage: 0, stimulus: 0, seed: 0 }; // places in the model's lists
  let wanted = 0; // how often something was asked for: what comes too late is not shown
  let page = 0;

  const names = () => ({ stage: model.stages, stimulus: model.stimuli.map(([name]) => name), seed: model.seeds.map(String) });
  const cellOf = ({ stimulus, seed }) => stimulus * model.seeds.length + seed;
  const shownAt = place => {
    const known = names();
    return { model: model.name, stage: known.stage[place.stage], stimulus: known.stimulus[place.stimulus], seed: known.seed[place.seed] };
  };

  // What is asked for, of what there is; `quiet` where nobody asked for what is missing.
  function settle(asked, quiet) {
    const known = names(), first = { stage: Math.floor(known.stage.length / 2), stimulus: 0, seed: 0 };
    const missing = [];
    for (const name of ["stage", "stimulus", "seed"]) {
      const place = asked[name] === undefined ? -1 : known[name].indexOf(asked[name]);
      if (place < 0 && asked[name] !== undefined && !quiet) missing.push(`${model.name} has no ${name} “${asked[name]}” here`);
      at[name] = place < 0 ? first[name] : place;
    }
    return missing;
  }

  async function show(asked, quiet = false) {
    const mine = ++wanted, missing = [];
    let name = asked.model;
    if (!models.includes(name)) {
      if (name !== undefined) missing.push(`There is no model “${name}” here`);
      name = models[0];
    }
    try {
      part("viewer").setAttribute("aria-busy", "true");
      const loaded = await metamers.need(name);
      if (mine !== wanted) return;
      model = loaded;
    } catch (error) {
      say([error.message]);
      return;
    } finally {
      part("viewer").removeAttribute("aria-busy");
    }
    missing.push(...settle(asked, quiet));
    say(missing);
    history.replaceState(null, "", metamers.fragment(shownAt(at)));
    page = -1; // the one that has the metamer
    draw();
  }

  function say(messages) {
    part("notice").textContent = messages.length ? `${messages.join("; ")}. The nearest that there is is shown.` : "";
    part("notice").hidden = !messages.length;
  }

  // Goes on from what is shown; a step does not fill the history.
  const change = changed => show({ ...shownAt(at), ...changed }, true);
  const step = (name, by) => {
    const place = at[name] + by;
    if (place >= 0 && place < names()[name].length) change({ [name]: names()[name][place] });
  };

  // How many other models recognize each metamer of a stage.
  function recognized(stage) {
    const others = Object.keys(model.answers).filter(name => name !== model.name);
    return Array.from(model.verdicts[stage], (_, cell) => {
      const right = model.categories.indexOf(model.stimuli[Math.floor(cell / model.seeds.length)][2]);
      return others.filter(name => model.answers[name][stage + 1][cell] === right).length;
    });
  }

  const filters = {
    all: () => true,
    accepted: verdict => verdict === "a",
    rejected: verdict => verdict !== "a",
    most: (_, right, others) => others > 0 && right > others / 2,
    none: (_, right, others) => others > 0 && right === 0,
  };

  const number = value => (value === null || value === undefined ? "–" : String(Number(value.toPrecision(3))));
  const media = (folder, file) => `media/${[model.name, folder, file].map(encodeURIComponent).join("/")}`;

  function draw() {
    const focused = document.activeElement?.closest(".thumbs")?.id;
    part("choice").hidden = part("viewer").hidden = false;
    drawChoices();
    drawPair();
    drawMatch();
    drawAnswers();
    drawStages();
    drawStimuli();
    if (focused) part(focused).querySelector("[aria-current]")?.focus({ preventScroll: true });
  }

  function drawChoices() {
    const known = names(), labels = { stage: model.stages, seed: known.seed };
    labels.stimulus = model.stimuli.map(([name, label]) => (label === name ? name : `${label} (${name})`));
    part("model").value = model.name;
    for (const name of ["stage", "stimulus", "seed"]) {
      part(name).replaceChildren(...known[name].map((value, place) => make("option", { value }, labels[name][place])));
      part(name).selectedIndex = at[name];
      const last = known[name].length - 1;
      part(`${name}-back`)?.setAttribute("aria-disabled", at[name] === 0);
      if (name !== "seed") part(`${name}-on`).setAttribute("aria-disabled", at[name] === last);
    }
    part("seed-label").hidden = part("seed-on").hidden = known.seed.length < 2;
  }

  function drawPair() {
    const [name, label, category] = model.stimuli[at.stimulus], seed = model.seeds[at.seed];
    const folder = model.folders[at.stage], verdict = metamers.verdicts[model.verdicts[at.stage][cellOf(at)]];
    const heard = model.modality === "audio", what = heard ? "Cochleagram of the" : "The";
    const of = model.seeds.length > 1 ? `, seed ${seed}` : "";
    part("shown").textContent = `Metamer of “${label}” at ${model.stages[at.stage]} of ${model.name}${of}`;
    const pictures = [media("natural", `${name}.png`), media(folder, `${name}_${seed}.png`)];
    const words = [`natural stimulus “${label}”`, `metamer of “${label}” at stage ${model.stages[at.stage]}, ${verdict.words}`];
    ["natural", "metamer"].forEach((id, place) => {
      if (part(id).getAttribute("src") !== pictures[place]) part(id).src = pictures[place];
      part(id).alt = `${what} ${words[place]}`;
      part(`${id}-pane`).classList.toggle("wide", heard);
    });
    part("natural-words").textContent = `Natural: ${label}${category === label ? "" : ` (${category})`}`;
    part("metamer-words").textContent = `Metamer: ${verdict.sign} ${verdict.words}`;
    part("metamer-words").classList.toggle("failed", verdict.sign === "✗");
    play(heard ? pictures.map(address => address.replace(/png$/, "wav")) : null);
    part("axes").hidden = !heard;
    if (heard) part("axes-figure").src = `media/${encodeURIComponent(model.name)}/cochleagram.svg`;
  }

  // A row of a table: its name, then its cells.
  const row = (name, cells) => make("tr", {}, make("th", { scope: "row" }, name), ...cells.map(cell => make("td", {}, cell)));

  function drawMatch() {
    part("match").tBodies[0].replaceChildren(...Object.entries(metamers.measures).map(([name, { title }]) => {
      const chance = model.null[name]?.[at.stage] ?? [];
      return row(title, [model.match[name][at.stage][cellOf(at)], chance[2], chance[4]].map(number));
    }));
  }

  function drawAnswers() {
    const category = model.stimuli[at.stimulus][2];
    const said = place => `${model.categories[place]} ${model.categories[place] === category ? "✓" : "✗"}`;
    const rows = Object.entries(model.answers).map(([name, answers]) => row(
      name === model.name ? `${name} (itself)` : name, [said(answers[0][at.stimulus]), said(answers[at.stage + 1][cellOf(at)])]));
    part("answers").tBodies[0].replaceChildren(...rows);
  }

  function drawStages() {
    const natural = metamers.thumbLink(metamers.thumb(model, "natural", at.stimulus), ["natural"], null, false, false);
    const stages = model.stages.map((stage, place) => {
      const verdict = model.verdicts[place][cellOf(at)], { sign } = metamers.verdicts[verdict];
      const image = metamers.thumb(model, model.folders[place], cellOf(at));
      return metamers.thumbLink(image, [stage, `${sign} ${metamers.verdicts[verdict].words}`], shownAt({ ...at, stage: place }), place === at.stage, verdict !== "a");
    });
    part("stages").replaceChildren(natural, ...stages);
    const current = part("stages").querySelector("[aria-current]");
    part("stages").scrollLeft = current.offsetLeft - part("stages").clientWidth / 2;
  }

  function drawStimuli() {
    const right = recognized(at.stage), others = Object.keys(model.answers).filter(name => name !== model.name).length;
    const verdicts = model.verdicts[at.stage], keep = filters[part("filter").value];
    const cells = [...verdicts].map((_, cell) => cell).filter(cell => keep(verdicts[cell], right[cell], others));
    const last = Math.max(0, Math.ceil(cells.length / PAGE_CELLS) - 1);
    if (page < 0) page = Math.floor(Math.max(0, cells.indexOf(cellOf(at))) / PAGE_CELLS);
    page = Math.min(page, last);
    part("stimuli").replaceChildren(...cells.slice(page * PAGE_CELLS, (page + 1) * PAGE_CELLS).map(cell => {
      const place = { stage: at.stage, stimulus: Math.floor(cell / model.seeds.length), seed: cell % model.seeds.length };
      const { sign, words } = metamers.verdicts[verdicts[cell]], label = model.stimuli[place.stimulus][1];
      const seed = model.seeds.length > 1 ? `, seed ${model.seeds[place.seed]}` : "";
      const below = [label + seed, others ? `${sign} ${right[cell]} of ${others} others` : `${sign} ${words}`];
      const image = metamers.thumb(model, model.folders[at.stage], cell);
      return metamers.thumbLink(image, below, shownAt(place), cell === cellOf(at), verdicts[cell] !== "a");
    }));
    part("stimuli-title").textContent = `All stimuli at ${model.stages[at.stage]} of ${model.name}`;
    part("page").textContent = cells.length ? `${page + 1} of ${last + 1}, ${cells.length} metamers` : "no such metamer";
    part("page-back").setAttribute("aria-disabled", page === 0);
    part("page-on").setAttribute("aria-disabled", page === last);
  }

  const turn = by => {
    page = Math.max(0, page + by);
    drawStimuli();
  };

  // What a link, the address line or the history names.
  const asAddressed = () => show(Object.fromEntries(new URLSearchParams(location.hash.slice(1))));
  window.addEventListener("hashchange", () => {
    asAddressed();
    if (part("viewer").getBoundingClientRect().top < 0) part("viewer").scrollIntoView();
  });
  for (const name of choices) part(name).addEventListener("change", () => {
    history.pushState(null, "", location.hash); // so that one can go back to what was chosen before
    change({ [name]: part(name).value });
  });
  part("stage-back").addEventListener("click", () => step("stage", -1));
  part("stage-on").addEventListener("click", () => step("stage", 1));
  part("stimulus-back").addEventListener("click", () => step("stimulus", -1));
  part("stimulus-on").addEventListener("click", () => step("stimulus", 1));
  part("seed-on").addEventListener("click", () => change({ seed: names().seed[(at.seed + 1) % model.seeds.length] }));
  part("filter").addEventListener("change", () => { page = -1; drawStimuli(); });
  part("page-back").addEventListener("click", () => turn(-1));
  part("page-on").addEventListener("click", () => turn(1));

  // Keys that move through stages work everywhere, others only in the viewer, where they take nothing away from the page.
  const keys = {
    ArrowLeft: () => step("stage", -1), ArrowRight: () => step("stage", 1),
    ArrowUp: () => step("stimulus", -1), ArrowDown: () => step("stimulus", 1),
    "+": () => enlarge.step(1), "-": () => enlarge.step(-1),
  };
  document.addEventListener("keydown", event => {
    const { target, key } = event, viewer = part("viewer").contains(target);
    if (!model || !keys[key] || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey && key !== "+") return;
    if (target.matches("select, audio") || target.matches(".pane") && enlarge.enlarged() && key.startsWith("Arrow")) return;
    if (!viewer && !(target === document.body && ["ArrowLeft", "ArrowRight"].includes(key))) return;
    event.preventDefault();
    keys[key]();
  });

  if (models.length) asAddressed();
}
