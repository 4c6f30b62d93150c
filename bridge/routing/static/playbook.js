"use strict";
(() => {
  const box = document.getElementById("asked");
  const found = document.getElementById("found");
  const cards = [...document.querySelectorAll("[data-found]")];
  const sections = [...document.querySelectorAll("main > section")];
  const fold = (text) => text.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase();
  let texts = null;

  function search() {
    texts = texts || cards.map((card) => fold(card.textContent));
    const words = fold(box.value).split(/\s+/).filter(Boolean);
    let shown = 0;
    cards.forEach((card, at) => {
      card.hidden = !words.every((word) => texts[at].includes(word));
      shown += card.hidden ? 0 : 1;
    });
    for (const section of sections) {
      const own = cards.filter((card) => section.contains(card));
      section.hidden = words.length > 0 && own.every((card) => card.hidden);
    }
    found.textContent = words.length ? `${shown} of ${cards.length} entries` : "";
  }

  box.closest("search").hidden = false;
  box.addEventListener("input", search);
  box.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      box.value = "";
      search();
    }
  });
  // A link must lead somewhere even when the search has put its place away.
  document.querySelector("nav").addEventListener("click", () => {
    if (box.value) {
      box.value = "";
      search();
    }
  });

  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const one of opened) one.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const one of opened) one.open = false;
  });
  // What the browser has kept in the box from before.
  if (box.value) search();
})();
