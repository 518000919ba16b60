"use strict";
// Sounds of a pair: one at a time, or the natural sound followed by the metamer.

metamers.sounds = (natural, metamer, both) => {
  let after = null;
  const other = player => (player === natural ? metamer : natural);
  for (const player of [natural, metamer]) {
    player.addEventListener("play", () => other(player).pause());
    player.addEventListener("ended", () => {
      if (player === natural && after) after.play();
      after = null;
    });
  }
  both.addEventListener("click", () => {
    metamer.pause();
    natural.currentTime = metamer.currentTime = 0;
    after = metamer;
    natural.play();
  });
  // Sets the sounds of the players, or removes them if there are none.
  return addresses => {
    after = null;
    both.hidden = !addresses;
    [natural, metamer].forEach((player, place) => {
      player.pause();
      player.hidden = !addresses;
      if (!addresses) player.removeAttribute("src");
      else if (player.getAttribute("src") !== addresses[place]) player.src = addresses[place];
    });
  };
};
