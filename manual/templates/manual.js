// The search, the contents where there is room for them, and prompts that are not copied. Pages work without it.
"use strict";
(() => {
  const root = document.currentScript ? document.currentScript.dataset.root : "";
  const here = document.querySelector("script[data-root]").dataset.root || root;
  const all = document.querySelector(".contents .all");
  const wide = matchMedia("(min-width: 56.01rem)");
  const open = () => { all.open = wide.matches; };
  wide.addEventListener("change", open);
  open();
  const current = document.querySelector(".contents [aria-current]");
  if (current && wide.matches) {
    const box = current.closest(".contents");
    box.scrollTop = Math.max(0, current.offsetTop - box.clientHeight / 2);
  }

  for (const code of document.querySelectorAll("pre > code.language-console")) {
    const lines = code.textContent.replace(/\n$/, "").split("\n");
    code.replaceChildren(...lines.flatMap((line) => {
      const typed = line.startsWith("$ ");
      const parts = typed ? [["prompt", "$ "], ["typed", line.slice(2)]] : [["said", line]];
      return [...parts.map(([name, text]) => span(name, text)), "\n"];
    }));
  }

  const field = document.getElementById("search");
  const found = document.getElementById("found");
  document.querySelector(".search").hidden = false;

  function span(name, text) {
    const made = document.createElement("span");
    made.className = name;
    made.textContent = text;
    return made;
  }

  let loading = null;
  function words() {
    loading ||= new Promise((done, failed) => {
      const script = document.createElement("script");
      script.src = `${here}words.js`;
      script.onload = () => done(window.manualWords);
      script.onerror = failed;
      document.head.append(script);
    });
    return loading;
  }

  // A part must hold every word asked for, in its title, heading or text; where they stand decides the order.
  function score(page, heading, text, asked) {
    let sum = 0;
    for (const word of asked) {
      const told = heading.includes(word) ? 12 : 0;
      const titled = page.includes(word) ? 8 : 0;
      const times = Math.min(text.split(word).length - 1, 5);
      if (!told && !titled && !times) return 0;
      sum += told + titled + times;
    }
    return sum;
  }

  function search(pages, asked) {
    const hits = [];
    pages.forEach((page, order) => {
      const title = page.title.toLowerCase();
      const own = page.parts
        .map(([anchor, heading, text], place) => ({
          page, anchor: place ? anchor : "", heading: place ? heading : "", text,
          score: score(title, heading.toLowerCase(), text.toLowerCase(), asked) * (page.section === "Log" ? .4 : page.section === "Decisions" ? .6 : 1),
          order,
        }))
        .filter((hit) => hit.score)
        .sort((a, b) => b.score - a.score);
      hits.push(...own.slice(0, 3));
    });
    return hits.sort((a, b) => b.score - a.score || a.order - b.order).slice(0, 24);
  }

  function around(text, asked) {
    const low = text.toLowerCase();
    const at = Math.max(0, Math.min(...asked.map((word) => low.indexOf(word)).filter((place) => place >= 0), text.length) - 60);
    const cut = (at ? "…" : "") + text.slice(at, at + 170) + (at + 170 < text.length ? "…" : "");
    const made = span("words", "");
    const pattern = new RegExp(`(${asked.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|")})`, "gi");
    cut.split(pattern).forEach((piece, place) => {
      if (place % 2) { const mark = document.createElement("mark"); mark.textContent = piece; made.append(mark); }
      else made.append(piece);
    });
    return made;
  }

  function show(hits, asked) {
    found.replaceChildren(...hits.map((hit) => {
      const link = document.createElement("a");
      link.href = here + hit.page.place + (hit.anchor ? `#${hit.anchor}` : "");
      const name = document.createElement("b");
      name.textContent = hit.heading || hit.page.title;
      link.append(name, " ", span("where", hit.heading ? `${hit.page.title} · ${hit.page.section}` : hit.page.section), around(hit.text, asked));
      return link;
    }));
    if (!hits.length) { const none = document.createElement("p"); none.textContent = "Nothing has all of these words."; found.append(none); }
    found.hidden = false;
  }

  let latest = 0;
  field.addEventListener("focus", words);
  field.addEventListener("input", async () => {
    const mine = ++latest;
    const asked = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (!asked.length) { found.hidden = true; return; }
    const pages = await words();
    if (mine === latest) show(search(pages, asked), asked);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName)) { event.preventDefault(); field.focus(); }
    if (event.key === "Escape" && !found.hidden) { found.hidden = true; field.focus(); }
    if (found.hidden || !["ArrowDown", "ArrowUp", "Enter"].includes(event.key)) return;
    const links = [...found.querySelectorAll("a")];
    const at = links.indexOf(document.activeElement);
    if (event.key === "Enter") { if (document.activeElement === field && links.length) links[0].click(); return; }
    if (at < 0 && document.activeElement !== field) return;
    event.preventDefault();
    const next = at + (event.key === "ArrowDown" ? 1 : -1);
    (links[next] || (next < 0 ? field : links[at])).focus();
  });
  document.addEventListener("click", (event) => { if (!event.target.closest(".search")) found.hidden = true; });
})();
