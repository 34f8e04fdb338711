// What needs a script: colours, live pages, questions before an action. Every page works without it.
(() => {
  "use strict";
  const themes = ["auto", "light", "dark"];

  function showTheme() {
    const chosen = document.documentElement.dataset.theme || "auto";
    for (const button of document.querySelectorAll("[data-theme-toggle]")) {
      button.querySelector("[data-theme-name]").textContent = chosen[0].toUpperCase() + chosen.slice(1);
    }
  }

  function nextTheme() {
    const chosen = document.documentElement.dataset.theme || "auto";
    const next = themes[(themes.indexOf(chosen) + 1) % themes.length];
    if (next === "auto") {
      delete document.documentElement.dataset.theme;
      localStorage.removeItem("theme");
    } else {
      document.documentElement.dataset.theme = next;
      localStorage.setItem("theme", next);
    }
    showTheme();
  }

  const isLive = () => localStorage.getItem("live") !== "off";

  function showLive() {
    for (const button of document.querySelectorAll("[data-live-toggle]")) {
      button.setAttribute("aria-pressed", String(isLive()));
      button.querySelector("[data-live-name]").textContent = isLive() ? "Live" : "Paused";
    }
  }

  // A page must not change under somebody's hands: while something in it has the focus, is selected or opened.
  function isBusy(part) {
    const selected = document.getSelection();
    return part.contains(document.activeElement)
      || (selected && !selected.isCollapsed && part.contains(selected.anchorNode))
      || part.querySelector("details[open]") !== null;
  }

  document.addEventListener("htmx:beforeRequest", (event) => {
    const part = event.target;
    if (part.hasAttribute("data-live") && (!isLive() || document.hidden || isBusy(part))) event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-theme-toggle]")) nextTheme();
    if (event.target.closest("[data-live-toggle]")) {
      localStorage.setItem("live", isLive() ? "off" : "on");
      showLive();
    }
  });

  document.addEventListener("submit", (event) => {
    const question = event.target.dataset.confirm;
    if (question && !window.confirm(question)) event.preventDefault();
  });

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
  });

  document.addEventListener("keydown", (event) => {
    const search = document.querySelector("[data-search]");
    const writing = event.target.matches("input, select, textarea");
    if (event.key === "/" && search && !writing && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      search.focus();
    }
  });

  // A photo that cannot be loaded says so in place of the browser's broken picture. `error` does not bubble.
  const markBroken = (image) => image.closest("li")?.classList.add("broken");
  document.addEventListener("error", (event) => {
    if (event.target instanceof HTMLImageElement) markBroken(event.target);
  }, true);

  for (const image of document.querySelectorAll(".photos img")) {
    if (image.complete && image.naturalWidth === 0) markBroken(image);
  }
  document.querySelector(".side nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  showTheme();
  showLive();
})();
