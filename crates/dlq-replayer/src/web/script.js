"use strict";

// While a job runs, its page brings its counts up to date. Without this script it is loaded anew instead.
const EVERY = 1000;

async function follow() {
  const shown = document.getElementById("progress");
  while (shown?.hasAttribute("data-running")) {
    await new Promise((wake) => setTimeout(wake, EVERY));
    // Whoever is about to press the button keeps it.
    if (shown.contains(document.activeElement)) continue;
    try {
      const answer = await fetch(location.href, { cache: "no-store" });
      if (answer.redirected || !answer.ok) return location.reload();
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("progress");
      shown.replaceChildren(...fresh.childNodes);
      shown.toggleAttribute("data-running", fresh.hasAttribute("data-running"));
    } catch {
      // The service is away for a moment: asked again.
    }
  }
}

follow();
