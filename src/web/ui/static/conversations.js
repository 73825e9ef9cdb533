
// Conversations. What is live: the search as one types, new mail, and writing.

// Puts what a part of a page that was fetched holds in the place of what it holds here. Where nothing has changed
// nothing is touched, and the focus stays on what leads to the same.
function put(fresh, part) {
  const [here, there] = [document.querySelector(part), fresh.querySelector(part)];
  if (!here || !there || here.innerHTML === there.innerHTML) return;
  const focused = here.contains(document.activeElement) && document.activeElement.getAttribute("href");
  here.replaceChildren(...there.childNodes);
  if (focused) here.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

// The same for some parts, unless something else is asked for meanwhile.
async function refresh(address, parts, isWanted = () => true) {
  const answer = await fetch(address, { headers: { Accept: "text/html" } });
  if (!answer.ok || answer.redirected) return false;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (!isWanted()) return false;
  for (const part of parts) put(fresh, part);
  document.title = fresh.title;
  return true;
}

// The list follows what one types and chooses, and says how much was found.
const finder = document.querySelector("[data-live-form]");
if (finder) {
  let asked = 0;
  const ask = async (turn) => {
    if (turn !== asked) return;
    const address = new URL(finder.action);
    for (const [name, value] of new FormData(finder)) if (value) address.searchParams.set(name, value);
    if (!await refresh(address, ["#list", ".chips"], () => turn === asked)) return;
    history.replaceState(null, "", address);
    const found = document.querySelector("#list [data-found]");
    document.querySelector("[data-told]").textContent = found.dataset.found;
  };
  finder.addEventListener("input", (event) => {
    const turn = ++asked;
    setTimeout(ask, event.target.type === "search" ? 220 : 0, turn);
  });
}

// Opening the answer hides what was pressed: one goes on in the text.
const replyBox = document.querySelector(".reply-box");
const opener = replyBox?.querySelector("summary");
opener?.addEventListener("click", () => setTimeout(() => replyBox.querySelector(".rich").focus()));
if (replyBox?.open && location.hash === "#reply") setTimeout(() => replyBox.querySelector(".rich").focus());

// Keys, which can be turned off under Your account: / to search, j and k through the list, c to write, r to
// answer.
document.addEventListener("keydown", (event) => {
  const at = event.target;
  if (localStorage.getItem("keys") === "off") return;
  if (event.ctrlKey || event.metaKey || event.altKey || at.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName)) return;
  const mails = [...document.querySelectorAll(".mails .mail, .message > details > summary")];
  const step = (by) => {
    const next = mails[mails.indexOf(document.activeElement) + by] || mails[by > 0 ? 0 : mails.length - 1];
    next?.focus();
  };
  const keys = {
    "/": () => document.querySelector("[data-shortcut='/']")?.focus(),
    j: () => step(1),
    k: () => step(-1),
    c: () => document.querySelector("[data-key=c]")?.click(),
    r: () => { if (replyBox && !replyBox.open) opener.click(); else replyBox?.querySelector(".rich").focus(); },
  };
  const does = keys[event.key];
  if (does) { event.preventDefault(); does(); }
});

// Back goes to the list as it was.
document.querySelector("[data-back]")?.addEventListener("click", (event) => {
  const from = document.referrer && new URL(document.referrer);
  if (from && from.origin === location.origin && from.pathname === "/conversations") {
    event.preventDefault();
    history.back();
  }
});

// Writing with formats, files by drop, drafts that are kept.
for (const form of document.querySelectorAll("[data-composer]")) {
  const [text, html] = [form.elements.text, form.elements.html];
  const tools = form.querySelector(".tools");
  const rich = document.createElement("div");
  rich.className = "rich";
  rich.contentEditable = "true";
  rich.setAttribute("role", "textbox");
  rich.setAttribute("aria-multiline", "true");
  rich.setAttribute("aria-label", text.labels[0].textContent);
  rich.dataset.hint = text.placeholder;
  if (html.value) rich.innerHTML = html.value; else rich.innerText = text.value;
  text.hidden = true;
  text.after(rich);
  tools.hidden = false;
  document.execCommand("defaultParagraphSeparator", false, "div");

  const take = () => {
    const isEmpty = !rich.innerText.trim();
    if (isEmpty && rich.innerHTML !== "") rich.innerHTML = "";
    // An empty line between blocks is said twice.
    text.value = rich.innerText.replace(/\u00a0/g, " ").replace(/\n{3,}/g, (feeds) => "\n".repeat((feeds.length + 1) / 2));
    html.value = isEmpty ? "" : rich.innerHTML;
  };
  rich.addEventListener("paste", (event) => {
    if (event.clipboardData.files.length) { event.preventDefault(); add(event.clipboardData.files); return; }
    event.preventDefault();
    document.execCommand("insertText", false, event.clipboardData.getData("text/plain"));
  });
  rich.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.querySelector("[value=send]").click();
  });
  // Enter in a line would press the first button, and send what is not finished; in the time it schedules.
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing || !event.target.matches("input:not([type=checkbox], [type=file])")) return;
    event.preventDefault();
    if (event.target.name === "send_at") form.querySelector("[value=later]").click();
  });
  const buttons = [...tools.querySelectorAll("button")];
  for (const button of buttons) {
    button.addEventListener("mousedown", (event) => event.preventDefault());
    button.addEventListener("click", () => {
      const ask = button.dataset.ask;
      const value = ask ? prompt(ask, "https://") : null;
      if (ask && !value) return;
      rich.focus();
      document.execCommand(button.dataset.do, false, value);
      show();
    });
    button.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!by) return;
      const next = buttons[(buttons.indexOf(button) + by + buttons.length) % buttons.length];
      for (const one of buttons) one.tabIndex = one === next ? 0 : -1;
      next.focus();
    });
  }
  const show = () => {
    for (const button of buttons) {
      if (button.hasAttribute("aria-pressed")) button.setAttribute("aria-pressed", document.queryCommandState(button.dataset.do));
    }
  };
  document.addEventListener("selectionchange", () => { if (rich.contains(getSelection().anchorNode)) show(); });

  const files = form.elements.files;
  const chosen = form.querySelector("[data-chosen]");
  let held = new DataTransfer();
  const list = () => {
    files.files = held.files;
    const bytes = [...held.files].reduce((sum, file) => sum + file.size, 0);
    const { bytesMax, tooLarge, filesMax, tooMany } = files.dataset;
    files.setCustomValidity(held.files.length > filesMax ? tooMany : bytes > bytesMax ? tooLarge : "");
    chosen.hidden = held.files.length === 0;
    chosen.replaceChildren(...[...held.files].map((file, at) => {
      const item = document.createElement("li");
      const size = file.size > 1048576 ? Number((file.size / 1048576).toFixed(1)) + " MB" : Math.ceil(file.size / 1024) + " KB";
      item.innerHTML = '<span class="file"><span><span class="file-name"></span><span class="hint"></span></span><button type="button">✕</button></span>';
      item.querySelector(".file-name").textContent = file.name;
      item.querySelector(".hint").textContent = size;
      item.querySelector("button").setAttribute("aria-label", "✕ " + file.name);
      item.querySelector("button").addEventListener("click", () => { held.items.remove(at); list(); });
      return item;
    }));
  };
  const add = (more) => { for (const file of more) held.items.add(file); list(); };
  files.addEventListener("change", () => add(files.files));
  const editor = form.querySelector(".editor");
  form.addEventListener("dragover", (event) => { event.preventDefault(); editor.classList.add("over"); });
  form.addEventListener("dragleave", () => editor.classList.remove("over"));
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    editor.classList.remove("over");
    add(event.dataTransfer.files);
  });

  // Keeps what is written so far, one after the other; answers what became of it. A sign-in page is no yes.
  let keeping = Promise.resolve();
  const keep = () => keeping = keeping.then(keepNow);
  const keepNow = async () => {
    const fields = new URLSearchParams();
    for (const [name, value] of new FormData(form)) {
      if (typeof value === "string") fields.append(name, value);
      else if (value.name) fields.append("missing", value.name);
    }
    try {
      const answer = await fetch("/conversations/drafts", { method: "POST", body: fields });
      if (answer.redirected) return "signedOut";
      if (answer.status === 409) return "wasSent";
      return answer.ok ? "kept" : "notKept";
    } catch {
      return "offline";
    }
  };
  let kept = 0;
  const status = form.querySelector("[data-kept]");
  form.addEventListener("input", () => {
    take();
    const turn = ++kept;
    status.textContent = "";
    setTimeout(async () => {
      if (turn !== kept || form.dataset.sent) return;
      const what = await keep();
      if (turn === kept) status.textContent = status.dataset[what];
    }, 1500);
  });
  // What cannot be kept is not sent either: it would be lost to a sign-in page.
  let isKept = false;
  form.addEventListener("submit", async (event) => {
    take();
    const button = event.submitter;
    if (isKept || button?.value === "discard") return;
    event.preventDefault();
    event.stopPropagation();
    ++kept;
    const what = await keep();
    const isSafe = ["kept", "wasSent"].includes(what);
    status.textContent = isSafe ? "" : status.dataset[what];
    if (!isSafe) return;
    isKept = true;
    form.requestSubmit(button);
    isKept = false;
  }, true);
}

// The bar to take a mail back goes when it is too late.
for (const bar of document.querySelectorAll("[data-undo]")) {
  setTimeout(() => bar.remove(), Number(bar.dataset.undo));
}

// What has changed of a message: its foot, or all of it, as when it was filed without a file. One that is in
// use, or has something open in it, keeps the rest.
function renewMessage(here, now) {
  const [wasBody, isBody] = [here, now].map((it) => {
    const copy = it.cloneNode(true);
    for (const part of copy.querySelectorAll(".message-foot, time")) part.remove();
    return copy.textContent;
  });
  const isBusy = here.contains(document.activeElement) || here.querySelector(".message-body details[open]");
  if (wasBody !== isBody && !isBusy) {
    now.querySelector("details").open = here.querySelector("details").open;
    here.replaceWith(now);
    return;
  }
  const [old, foot] = [here, now].map((it) => it.querySelector(".message-foot"));
  const said = (it) => it.textContent + it.querySelector("[data-due]")?.dataset.due;
  if (!old || !foot || said(old) === said(foot)) return;
  foot.querySelector(".addresses").open = old.querySelector(".addresses").open;
  // Whoever stands on a control there stands on the same one afterwards; if it is gone, on the message.
  const stood = old.contains(document.activeElement) && document.activeElement;
  old.replaceWith(foot);
  if (!stood) return;
  const same = [...foot.querySelectorAll("a, button, summary")].find((it) => it.textContent === stood.textContent);
  (same || here.querySelector("summary")).focus({ preventScroll: true });
}

// New mail, verdicts, contacts, and how the mailbox and the gateway stand, appear by themselves. The page hears
// which conversations have changed, or by name what else has, and asks for itself anew.
const live = document.querySelector("[data-live]:not([data-live=false])");
if (live) {
  const names = ["mailbox", "activity", "contacts", "admin"];
  const name = names.includes(live.dataset.live) ? live.dataset.live : "";
  const mine = name || live.dataset.conversation;
  let due = 0;
  let next = 0;
  let patience = 5000;
  let wait = 300;
  // The numbers of the gateway change with any mail anywhere, and are dear: so long they stand, in milliseconds.
  const apart = name === "admin" ? 10000 : 0;
  let looked = -apart;
  // One look that failed is not the last one.
  const renew = () => look().catch(() => {}).finally(awaitDue);
  // Whoever has opened something, or stands on a button, is not disturbed.
  const isBusy = () => {
    const at = live.contains(document.activeElement) && document.activeElement;
    return live.querySelector("details[open]") || (at && at !== live && !at.matches("a[href]"));
  };
  const look = async () => {
    due = 0;
    if (document.hidden) return;
    if (name && isBusy()) { due = setTimeout(renew, 3000); return; }
    looked = performance.now();
    if (!mine || name) {
      const part = name === "mailbox" ? "#mailbox" : "#list";
      await refresh(location.href, [part, ".chips", "#consent", ".ways"]);
      return;
    }
    const open = new Set([...document.querySelectorAll(".message > details[open]")].map((it) => it.parentNode.id));
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of ["#consent", ".beside", ".ways"]) put(fresh, part);
    let added = 0;
    for (const message of fresh.querySelectorAll(".message")) {
      const here = document.getElementById(message.id);
      if (here) {
        renewMessage(here, message);
        continue;
      }
      const part = [...document.querySelectorAll(".flow .part")].at(-1);
      const { thread } = message.closest(".part").dataset;
      message.classList.add("fresh");
      if (part && part.dataset.thread === thread) part.append(message);
      else if (part) part.after(message.closest(".part"));
      if (part) ++added;
    }
    // Whether each thread is followed stands beside its title.
    const parts = (page) => [...page.querySelectorAll(".flow .part")].map((part) => [part.dataset.thread, part.querySelector(".part-sync")]);
    const now = new Map(parts(fresh));
    for (const [thread, sync] of parts(document)) {
      const said = now.get(thread);
      if (said && said.textContent !== sync.textContent) sync.replaceChildren(...said.cloneNode(true).childNodes);
    }
    // Who cannot see it appear hears of it; the same words twice would be silent.
    const told = document.querySelector("[data-new-mail]");
    if (added && told) {
      told.textContent = "";
      setTimeout(() => { told.textContent = told.dataset.newMail; }, 100);
    }
    for (const id of open) document.getElementById(id)?.querySelector("details")?.setAttribute("open", "");
  };
  // No event says that a mail is tried again, or lost from sight: the page looks once it is due.
  const awaitDue = () => {
    clearTimeout(next);
    const dues = [...live.querySelectorAll("[data-due]")].map((it) => Number(it.dataset.due));
    if (!dues.length) return;
    // What is late may be in hand just now, or wait for a consent.
    const left = Math.max(Math.min(...dues) - Date.now(), 0);
    patience = left > 0 ? 5000 : Math.min(patience * 2, 300000);
    next = setTimeout(renew, Math.min(left + patience, 2 ** 31 - 1));
  };
  const hear = (event) => {
    const ids = event.data.split(" ");
    const isOurs = (id) => id === mine || (!name && id === "mailbox") || (!mine && !names.includes(id));
    if (ids[0] !== "*" && !ids.some(isOurs)) return;
    // The busier it is, the more rarely; and not all pages at the same instant.
    wait = ids[0] === "*" ? Math.min(wait * 2, 10000) : Math.max(300, wait / 2);
    const rest = looked + apart - performance.now();
    if (!due) due = setTimeout(renew, Math.max(rest, wait * (0.5 + Math.random())));
  };
  // A page that nobody looks at does not listen: browsers open six connections to a host, for all its tabs.
  let source;
  const listen = () => {
    source = new EventSource("/conversations/live");
    source.addEventListener("changed", hear);
    let wasLost = false;
    source.addEventListener("error", () => { wasLost = true; });
    source.addEventListener("open", () => { if (wasLost) renew(); wasLost = false; });
  };
  listen();
  awaitDue();
  // Not everything that is counted there makes an event.
  if (live.dataset.every) setInterval(() => { if (!due) due = setTimeout(renew); }, live.dataset.every * 1000);
  document.addEventListener("visibilitychange", () => {
    source.close();
    if (document.hidden) return;
    listen();
    renew();
  });
  window.addEventListener("pagehide", () => source.close());
}
