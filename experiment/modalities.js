/** What differs between modalities in the page of the experiment, as one entry for each of `MODALITIES` in
 * src/metamers/modalities.py. */

import { JudgeImage } from "./judge-image.js";
import { JudgeSound } from "./judge-sound.js";
import { audio } from "./load.js";
import { OF_IMAGES, OF_SOUNDS } from "./words.js";

export const MODALITIES = {
  vision: {
    /** The plugin of a trial, and its texts, with `how` for the introductions. */
    judge: JudgeImage,
    words: OF_IMAGES,
    /** Further parameters of the nth trial. */
    presentation: (design, masks, number) => ({
      mask: () => masks[number % masks.length],
      icons: design.icons,
      durations: { ...design.durations, ...(number < Math.round(design.practice.feedback / 2) && design.at_first) },
    }),
    /** HTML of the stimulus beside the right answer in the examples. */
    again: (file) => `<div class="seen"><img src="${file}" alt="the picture"></div>`,
    /** Called at the participant's first click. */
    atFirstClick: () => {},
  },
  audio: {
    judge: JudgeSound,
    words: OF_SOUNDS,
    presentation: () => ({}),
    again: () => "",
    // Browsers play no sound before the first click.
    atFirstClick: () => audio().resume(),
  },
};
