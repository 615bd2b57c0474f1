// Follows a run that is at work. Everything can be read without it: load the page again.
"use strict";
const section = document.querySelector("[data-live]");
if (section) {
  const words = document.getElementById("live-words"), bar = document.getElementById("live-bar");
  let complete = null, wait = 2000;
  const look = async () => {
    try {
      const now = await (await fetch(section.dataset.live)).json();
      if (complete === null) complete = now.complete;
      if (now.state !== "running" || now.complete !== complete) return location.reload();
      const told = now.stage + (now.total ? `: ${now.done} of ${now.total}` : "") + (now.note ? `, ${now.note}` : "");
      if (now.stage && words.textContent !== told) words.textContent = told;
      bar.max = now.total || 1;
      bar.value = now.done;
      const ago = document.getElementById("live-ago");
      if (ago && now.at) ago.textContent = `${Math.max(0, Math.round(Date.now() / 1000 - now.at))} seconds ago`;
      wait = 2000;
    } catch { wait = Math.min(wait * 2, 30000); }
    setTimeout(look, document.hidden ? 10000 : wait);
  };
  setTimeout(look, wait);
}
