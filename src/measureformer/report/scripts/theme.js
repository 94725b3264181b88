// Light or dark paper: as the system says, until the reader chooses with the button.
"use strict";
{
  const root = document.documentElement, system = matchMedia("(prefers-color-scheme: dark)"), button = document.createElement("button");
  let chosen = null;
  window.isDark = () => chosen ?? system.matches;

  const show = () => {
    root.style.colorScheme = isDark() ? "dark" : "light";
    for (const source of document.querySelectorAll("picture source")) source.media = isDark() ? "all" : "not all";
    button.textContent = isDark() ? "Light paper" : "Dark paper";
    document.dispatchEvent(new Event("paper"));
  };
  button.type = "button";
  button.className = "paper";
  button.onclick = () => { chosen = !isDark(); show(); };
  system.onchange = show;
  document.querySelector("main").prepend(button);
  document.addEventListener("DOMContentLoaded", show); // pictures come later in the page
  show();
}
