// What pages do beyond forms and links. Without it everything can still be read and set.
"use strict";

// The stylesheet stands in the first page that a browser sees. For those after it, it is kept.
const sheet = document.currentScript.dataset.sheet;
if (sheet) {
  window.addEventListener("load", async () => {
    const answer = await fetch(sheet, { priority: "low" }).catch(() => ({}));
    if (!answer.ok) return;
    await answer.text();
    const secure = location.protocol === "https:" ? "; secure" : "";
    document.cookie = `style=${sheet.split(".").at(-2)}; path=/; max-age=31536000; samesite=lax${secure}`;
  });
}

// Buttons that copy: <button data-copy="id of the text" hidden>; shown where copying works.
for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) break;
  button.hidden = false;
  const label = button.querySelector("span");
  const words = label.textContent;
  button.addEventListener("click", async () => {
    const text = document.getElementById(button.dataset.copy).textContent.trim();
    await navigator.clipboard.writeText(text);
    label.textContent = button.dataset.done || "✓";
    button.setAttribute("aria-live", "polite");
    setTimeout(() => { label.textContent = words; }, 2000);
  });
}

// Where one is among the settings is in sight on a telephone, too.
document.querySelector(".sub-ways .here")?.scrollIntoView({ inline: "center", block: "nearest" });

// Zones: the browser's own is taken where nobody has chosen one, and named where another stands.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
for (const input of document.querySelectorAll("[data-zone]")) {
  if (input.type === "hidden") { input.value = zone; continue; }
  const list = document.createElement("datalist");
  list.id = "zones";
  list.append(...Intl.supportedValuesOf("timeZone").map((name) => new Option(name, name)));
  input.after(list);
  input.setAttribute("list", list.id);
  const hint = input.parentNode.querySelector("[data-zone-differs]");
  if (!hint || !zone || zone === input.value) continue;
  hint.textContent = hint.dataset.zoneDiffers.replace("{}", zone);
  hint.hidden = false;
}

// Single keys do nothing where they are turned off: speech, or a slip, types them, too.
const keySwitch = document.querySelector("[data-keys]");
if (keySwitch) {
  keySwitch.closest("section").hidden = false;
  keySwitch.checked = localStorage.getItem("keys") !== "off";
  keySwitch.addEventListener("change", () => localStorage.setItem("keys", keySwitch.checked ? "on" : "off"));
}

// Menus close when one looks elsewhere.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.me[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.me[open], details.ask[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// A form is sent once, however often its button is pressed.
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) { event.preventDefault(); return; }
  event.target.dataset.sent = "1";
});
window.addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});

// A mail dropped on the box is the file that was chosen, and is asked about at once.
for (const box of document.querySelectorAll("[data-drop]")) {
  const input = box.querySelector("input[type=file]");
  input.addEventListener("change", () => { if (input.files.length) box.requestSubmit(); });
  box.addEventListener("dragover", (event) => { event.preventDefault(); box.classList.add("over"); });
  box.addEventListener("dragleave", () => box.classList.remove("over"));
  box.addEventListener("drop", (event) => {
    event.preventDefault();
    box.classList.remove("over");
    if (!event.dataTransfer.files.length) return;
    input.files = event.dataTransfer.files;
    box.requestSubmit();
  });
}
