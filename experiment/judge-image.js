/** A jsPsych plugin: fixation, picture, mask, then a choice among the categories. One answer is one trial. */

const { ParameterType } = window.jsPsychModule;

const HALF_A_FRAME = 8; // ms, at 60 frames a second

const frame = () => new Promise(requestAnimationFrame);

/** Show an element for so many ms, as near as frames allow; gives for how long it was there. */
async function show(display, element, ms) {
  display.replaceChildren(element);
  const began = await frame();
  let now = began;
  while (now - began < ms - HALF_A_FRAME) now = await frame();
  return now - began;
}

function framed(...content) {
  const box = document.createElement("div");
  box.className = "seen";
  box.append(...content);
  return box;
}

function picture(bitmap) {
  const canvas = document.createElement("canvas");
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "a picture");
  canvas.style.width = canvas.style.height = "100%";
  return framed(canvas);
}

function fixation() {
  const cross = document.createElement("span");
  cross.className = "fixation";
  cross.textContent = "+";
  return framed(cross);
}

function choices(categories, icons) {
  const grid = document.createElement("div");
  grid.className = "choices";
  for (const category of categories) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.answer = category;
    if (icons[category]) {
      const icon = document.createElement("img");
      icon.src = icons[category];
      icon.alt = "";
      button.append(icon);
    }
    button.append(category);
    grid.append(button);
  }
  return grid;
}

export class JudgeImage {
  static info = {
    name: "judge-image",
    version: "1.0.0",
    parameters: {
      stimulus: { type: ParameterType.FUNCTION, default: undefined }, // gives a promise of an ImageBitmap
      mask: { type: ParameterType.FUNCTION, default: undefined }, // gives an ImageBitmap
      categories: { type: ParameterType.STRING, array: true, default: undefined },
      icons: { type: ParameterType.OBJECT, default: {} }, // category → file
      durations: { type: ParameterType.OBJECT, default: undefined }, // fixation_ms, image_ms, mask_ms
      place: { type: ParameterType.STRING, default: "" }, // "3 of 40"
    },
    data: {
      answer: { type: ParameterType.STRING },
      rt: { type: ParameterType.FLOAT }, // ms from when the choices are there
      shown_ms: { type: ParameterType.FLOAT },
    },
  };

  async trial(display, trial, loaded) {
    const stimulus = await trial.stimulus();
    loaded();
    await show(display, fixation(), trial.durations.fixation_ms);
    const shown = await show(display, picture(stimulus), trial.durations.image_ms);
    await show(display, picture(trial.mask()), trial.durations.mask_ms);
    const grid = choices(trial.categories, trial.icons);
    const heading = document.createElement("h1");
    heading.textContent = "What was it?";
    const where = document.createElement("p");
    where.className = "faint";
    where.textContent = trial.place;
    display.replaceChildren(heading, grid, where);
    const began = performance.now();
    const answer = await new Promise((resolve) =>
      grid.addEventListener("click", (event) => {
        const button = event.target.closest("button");
        if (button) resolve(button.dataset.answer);
      }),
    );
    return { answer, rt: performance.now() - began, shown_ms: shown };
  }
}
