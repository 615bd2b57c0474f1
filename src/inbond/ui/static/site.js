// Follows a run that is at work, and a verification. Everything can be read without it: load the page again.
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

const form = document.querySelector("form[data-verify]");
if (form) form.addEventListener("submit", (event) => {
  event.preventDefault();
  const words = document.getElementById("verify-words"), bar = document.getElementById("verify-bar");
  const button = form.querySelector("button"), asked = new URLSearchParams(new FormData(form));
  document.getElementById("verifying").hidden = false;
  button.disabled = true;
  words.textContent = "It begins.";
  const source = new EventSource(`${form.dataset.verify}?${asked}`);
  const end = (said) => { source.close(); button.disabled = false; words.textContent = said; bar.removeAttribute("value"); };
  source.addEventListener("step", ({ data }) => {
    const step = JSON.parse(data);
    words.textContent = step.words;
    bar.max = step.total || 1;
    if (step.total) bar.value = step.done; else bar.removeAttribute("value");
  });
  source.addEventListener("over", ({ data }) => {
    source.close();
    location.assign(`/verify?result=${JSON.parse(data).result}#result`);
  });
  source.addEventListener("busy", ({ data }) => end(JSON.parse(data).words));
  source.onerror = () => end("The connection ended, and the verification with it. Verify again.");
});
