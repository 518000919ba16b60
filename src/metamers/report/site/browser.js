"use strict";
// The metamer browser: shows the metamer that the address names, and updates the address. Without that metamer, it says so.

{
  const PAGE_CELLS = 60; // thumbnails per page, so that a page stays small
  const part = id => document.getElementById(id);
  const choices = ["model", "stage", "stimulus", "seed"];
  const { make, number } = metamers;
  const play = metamers.sounds(part("natural-sound"), part("metamer-sound"), part("both"));
  const enlarge = metamers.enlarge([part("natural-pane"), part("metamer-pane")], part("size"), part("smaller"), part("larger"));
  const models = [...part("model").options].map(option => option.value);

  let model = null; // data of the model
  let at = { stage: 0, stimulus: 0, seed: 0 }; // positions in the model's lists
  let named = {}; // names in the address that exist
  let wanted = 0; // number of requests; the result of an outdated request is not shown
  let page = 0;

  const names = () => ({ stage: model.stages, stimulus: model.stimuli.map(([name]) => name), seed: model.seeds.map(String) });
  const cellOf = ({ stimulus, seed }) => stimulus * model.seeds.length + seed;
  const shownAt = place => {
    const known = names();
    return { model: model.name, stage: known.stage[place.stage], stimulus: known.stimulus[place.stimulus], seed: known.seed[place.seed] };
  };

  // Names that the address asks for: those of its fragment, or of its query without a fragment. A fragment can also be a place in the page.
  function addressed() {
    const fragment = document.getElementById(location.hash.slice(1)) ? "" : location.hash.slice(1);
    if (fragment) return Object.fromEntries(new URLSearchParams(fragment));
    return Object.fromEntries([...new URLSearchParams(location.search)].filter(([name]) => choices.includes(name)));
  }

  // Messages about requested names that the model does not have.
  const missing = asked => ["stage", "stimulus", "seed"]
    .filter(name => name in asked && !names()[name].includes(asked[name]))
    .map(name => `${model.name} has no ${name} “${asked[name]}” in this run`);

  async function show(asked, quiet = false) {
    const mine = ++wanted, { model: name = models[0] } = asked;
    const unknown = Object.keys(asked).filter(key => !choices.includes(key));
    if (unknown.length) return absent(unknown.map(key => `The address has the part “${key}”, which names no metamer`), {});
    if (!models.includes(name)) return absent([`This run has no model “${name}”`], {});
    try {
      part("viewer").setAttribute("aria-busy", "true");
      const loaded = await metamers.need(name);
      if (mine !== wanted) return;
      model = loaded;
    } catch (error) {
      return mine === wanted && absent([error.message], {});
    } finally {
      part("viewer").removeAttribute("aria-busy");
    }
    const known = names(), gone = quiet ? [] : missing(asked);
    if (gone.length) {
      const kept = Object.entries(asked).filter(([key, value]) => key === "model" || known[key].includes(value));
      return absent(gone, { ...Object.fromEntries(kept), model: name });
    }
    const first = { stage: Math.floor(known.stage.length / 2), stimulus: 0, seed: 0 };
    for (const key of Object.keys(first)) {
      const place = known[key].indexOf(asked[key]);
      at[key] = place < 0 ? first[key] : place;
    }
    named = shownAt(at);
    part("notice").hidden = true;
    history.replaceState(null, "", metamers.fragment(named));
    page = -1; // the page with the metamer
    draw();
  }

  // Says why there is no metamer to show, and offers the choices that remain.
  function absent(messages, kept) {
    named = kept;
    const link = make("a", { href: metamers.fragment({ model: models[0], ...kept }) }, "show one that exists");
    part("notice").replaceChildren(`${messages.join("; ")}. No metamer is shown: choose one above, or `, link, ".");
    part("notice").hidden = part("choice").hidden = false;
    part("viewer").hidden = true;
    play(null);
    drawChoices();
  }

  // Moves to another metamer without a new entry in the history.
  const change = changed => show({ ...named, ...changed }, true);
  const step = (name, by) => {
    const place = at[name] + by;
    if (place >= 0 && place < names()[name].length) change({ [name]: names()[name][place] });
  };

  // Number of recognition models that recognize each metamer of a stage.
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

  // Why a filter finds nothing at a stage.
  const unjudged = others => !others && "no other recognition model classified these metamers";
  const reasons = {
    accepted: () => "no metamer was accepted",
    rejected: () => "no metamer was rejected",
    most: others => unjudged(others) || `no metamer is recognized by more than half of ${metamers.count(others, "other recognition model")}`,
    none: others => unjudged(others) || "every metamer is recognized by at least one other recognition model",
  };

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

  // The choices, blank where nothing that exists is named.
  function drawChoices() {
    part("model").selectedIndex = models.indexOf(named.model);
    const known = named.model ? names() : { stage: [], stimulus: [], seed: [] };
    const labels = { stage: known.stage, seed: known.seed };
    labels.stimulus = named.model ? model.stimuli.map(([name, label]) => (label === name ? name : `${label} (${name})`)) : [];
    for (const name of ["stage", "stimulus", "seed"]) {
      part(name).replaceChildren(...known[name].map((value, place) => make("option", { value }, labels[name][place])));
      part(name).selectedIndex = known[name].indexOf(named[name]);
      part(name).parentElement.hidden = known[name].length === 0 || name === "seed" && known.seed.length < 2;
      const last = known[name].length - 1;
      part(`${name}-back`)?.setAttribute("aria-disabled", at[name] === 0);
      if (name !== "seed") part(`${name}-on`).setAttribute("aria-disabled", at[name] === last);
    }
    part("seed-on").hidden = known.seed.length < 2;
  }

  function drawPair() {
    const [name, label, category] = model.stimuli[at.stimulus], seed = model.seeds[at.seed];
    const folder = model.folders[at.stage], verdict = metamers.verdicts[model.verdicts[at.stage][cellOf(at)]];
    const { picture, player } = model, what = picture ? `${picture[0].toUpperCase()}${picture.slice(1)} of the` : "The";
    const of = model.seeds.length > 1 ? `, seed ${seed}` : "";
    part("shown").textContent = `Metamer of “${label}” at ${model.stages[at.stage]} of ${model.name}${of}`;
    const pictures = [media("natural", `${name}.png`), media(folder, `${name}_${seed}.png`)];
    const words = [`natural stimulus “${label}”`, `metamer of “${label}” at stage ${model.stages[at.stage]}, ${verdict.words}`];
    ["natural", "metamer"].forEach((id, place) => {
      if (part(id).getAttribute("src") !== pictures[place]) part(id).src = pictures[place];
      part(id).alt = `${what} ${words[place]}`;
    });
    part("natural-words").textContent = `Natural: ${label}${category === label ? "" : ` (${category})`}`;
    part("metamer-words").textContent = `Metamer: ${verdict.sign} ${verdict.words}`;
    part("metamer-words").classList.toggle("failed", verdict.sign === "✗");
    play(player && pictures.map(address => address.replace(/\.png$/, player)));
    part("axes").hidden = !picture;
    if (picture) part("axes-figure").src = `media/${encodeURIComponent(model.name)}/${picture}.svg`;
  }

  // A table row: name, then cells.
  const row = (name, cells) => make("tr", {}, make("th", { scope: "row" }, name), ...cells.map(cell => make("td", {}, cell)));

  function drawMatch() {
    part("match").tBodies[0].replaceChildren(...Object.entries(model.measures).map(([name, title]) => {
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
      const below = [label + seed, others ? `${sign} ${right[cell]} of ${metamers.count(others, "other")}` : `${sign} ${words}`];
      const image = metamers.thumb(model, model.folders[at.stage], cell);
      return metamers.thumbLink(image, below, shownAt(place), cell === cellOf(at), verdicts[cell] !== "a");
    }));
    part("stimuli-title").textContent = `All stimuli at ${model.stages[at.stage]} of ${model.name}`;
    const all = metamers.count(verdicts.length, "metamer"), reason = cells.length ? "" : reasons[part("filter").value](others);
    part("empty").textContent = reason && `At ${model.stages[at.stage]} of ${model.name}, ${reason}. Choose “all” to see ${verdicts.length === 1 ? "its" : "all"} ${all}.`;
    part("empty").hidden = !reason;
    part("page").textContent = cells.length ? `${page + 1} of ${last + 1}, ${metamers.count(cells.length, "metamer")}` : `none of ${all}`;
    part("page-back").setAttribute("aria-disabled", page === 0);
    part("page-on").setAttribute("aria-disabled", page === last);
  }

  const turn = by => {
    page = Math.max(0, page + by);
    drawStimuli();
  };

  // Shows the metamer named by a link, the address line or the history.
  const asAddressed = () => show(addressed());
  window.addEventListener("hashchange", () => {
    if (document.getElementById(location.hash.slice(1))) return; // the link to the content
    asAddressed();
    if (part("viewer").getBoundingClientRect().top < 0) part("viewer").scrollIntoView();
  });
  for (const name of choices) part(name).addEventListener("change", () => {
    history.pushState(null, "", location.hash); // so that the back button returns to the previous selection
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

  // Keys for stages work everywhere, other keys only in the viewer, where they do not conflict with the page.
  const keys = {
    ArrowLeft: () => step("stage", -1), ArrowRight: () => step("stage", 1),
    ArrowUp: () => step("stimulus", -1), ArrowDown: () => step("stimulus", 1),
    "+": () => enlarge.step(1), "-": () => enlarge.step(-1),
  };
  document.addEventListener("keydown", event => {
    const { target, key } = event, viewer = part("viewer").contains(target);
    if (part("viewer").hidden || !keys[key] || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey && key !== "+") return;
    if (target.matches("select, audio") || target.matches(".pane") && enlarge.scrolls() && key.startsWith("Arrow")) return;
    if (!viewer && !(target === document.body && ["ArrowLeft", "ArrowRight"].includes(key))) return;
    event.preventDefault();
    keys[key]();
  });

  if (models.length) asAddressed();
}
