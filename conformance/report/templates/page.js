"use strict";
// Everything reads without this script; it opens what a link leads to, copies fixes and finds hosts.
function reveal() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  for (let place = target; place; place = place.parentElement) if (place.tagName === "DETAILS") place.open = true;
  target.scrollIntoView();
}
addEventListener("hashchange", reveal);
if (location.hash) reveal();

if (navigator.clipboard) for (const fix of document.querySelectorAll("pre.fix")) {
  const text = fix.textContent;
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "copy";
  button.addEventListener("click", () => navigator.clipboard.writeText(text).then(() => { button.textContent = "copied"; }));
  fix.append(button);
}

const find = document.getElementById("find");
if (find) {
  find.parentElement.hidden = false;
  find.addEventListener("input", () => {
    const wanted = find.value.trim().toLowerCase();
    for (const row of document.querySelectorAll(".matrix tbody tr"))
      row.toggleAttribute("data-hidden", !row.firstElementChild.textContent.toLowerCase().includes(wanted));
  });
}
