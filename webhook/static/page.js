// Fills an unfinished page in without a reload, and adds what only a script can: copying, ticking off, more names, the
// local time. Everything else works without it.
"use strict";
(() => {
  const main = document.getElementById("main");
  const said = document.getElementById("live");
  const EVERY = 1000;
  const AT_MOST = 15000;

  const key = (details) => details.id || details.querySelector("summary")?.textContent.trim();

  function enhance() {
    tellLocalTime();
    for (const block of main.querySelectorAll("[data-copy]")) {
      if (block.querySelector("button")) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "quiet copy";
      button.textContent = block.dataset.copy;
      button.addEventListener("click", () => copy(block.querySelector("code, pre"), button));
      block.append(button);
    }
    for (const tick of main.querySelectorAll("input[data-tick]")) {
      const name = `whydown:${location.pathname}:${tick.dataset.tick}`;
      tick.hidden = false;
      tick.checked = localStorage.getItem(name) === "1";
      tick.onchange = () => (tick.checked ? localStorage.setItem(name, "1") : localStorage.removeItem(name));
    }
  }

  // Who is woken thinks in the time of the place.
  function tellLocalTime() {
    for (const time of main.querySelectorAll("time[data-here]")) {
      const moment = new Date(time.dateTime);
      if (moment.getTimezoneOffset() === 0 || time.dataset.here) continue;
      time.dataset.here = moment.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
      time.append(` (${time.dataset.here} here)`);
    }
  }

  async function copy(from, button) {
    const label = button.textContent;
    try {
      await navigator.clipboard.writeText(from.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(from); // without permission, or not over https: ready for a long press
      button.textContent = "Selected";
    }
    setTimeout(() => (button.textContent = label), 2000);
  }

  function openFact() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const folded = target?.closest("details");
    if (folded && !folded.open) {
      folded.open = true;
      target.scrollIntoView();
    }
  }

  function show(next) {
    const fresh = next.getElementById("main");
    if (fresh === null || fresh.innerHTML === shown) return;
    shown = fresh.innerHTML;
    const open = new Set([...main.querySelectorAll("details[open]")].map(key));
    const focused = document.activeElement?.id;
    main.replaceChildren(...fresh.childNodes);
    for (const details of main.querySelectorAll("details")) if (open.has(key(details))) details.open = true;
    if (focused && focused !== "main") document.getElementById(focused)?.focus({ preventScroll: true });
    document.title = next.title;
    said.textContent = main.querySelector("[data-said]")?.textContent ?? "";
    enhance();
  }

  async function look(pause) {
    await new Promise((done) => setTimeout(done, pause));
    if (document.hidden) {
      await new Promise((done) => document.addEventListener("visibilitychange", done, { once: true }));
    }
    let again = pause;
    try {
      const answer = await fetch(location.pathname, { headers: { Accept: "text/html" }, cache: "no-store" });
      if (answer.ok && !answer.redirected) {
        show(new DOMParser().parseFromString(await answer.text(), "text/html"));
        again = EVERY;
      } else {
        again = Math.min(again * 2, AT_MOST);
      }
    } catch {
      again = Math.min(again * 2, AT_MOST);
    }
    if (main.querySelector("[data-live]")) look(again);
  }

  // A catalog with more names than a page offers is asked for those that hold what was typed.
  function offerNames() {
    const names = main.querySelector("datalist[data-more]");
    const input = names && main.querySelector(`input[list="${names.id}"]`);
    let asked;
    input?.addEventListener("input", async () => {
      const typed = (asked = input.value);
      await new Promise((done) => setTimeout(done, 200));
      if (typed !== asked) return;
      const answer = await fetch(`${names.dataset.more}?service=${encodeURIComponent(typed)}`).catch(() => null);
      if (!answer?.ok || typed !== asked) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      names.replaceChildren(...(page.getElementById(names.id)?.childNodes ?? []));
    });
  }

  let shown = main.innerHTML;
  enhance();
  offerNames();
  openFact();
  addEventListener("hashchange", openFact);
  if (main.querySelector("[data-live]")) look(EVERY);
})();
