// What the pages do beyond htmx. Nothing here is needed to read or to act: without it times stay in
// UTC, dialogs are pages of their own, and the server refuses a wrong word by itself.
"use strict";

const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const localShort = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

// Times: the server writes UTC; the reader sees their own zone and hovers for UTC.
function localTimes(root) {
  for (const element of root.querySelectorAll("time[datetime]:not([data-local])")) {
    element.dataset.local = "yes";
    const shown = element.closest("td") ? localShort : local;
    element.textContent = shown.format(new Date(element.dateTime));
  }
}

// A dangerous button stays disabled until exactly the word was typed: no trimming, no other case.
function gate(form) {
  const word = form.dataset.word;
  const button = form.querySelector("[data-gated]");
  const fits = [...form.querySelectorAll("[data-word-for]")].every(
    (input) => input.value === input.dataset.wordFor
  );
  button.disabled = !fits;
  return word;
}

function gates(root) {
  for (const form of root.querySelectorAll("form[data-word]")) gate(form);
}

function openDialog() {
  const dialog = document.getElementById("dialog");
  if (!dialog?.childElementCount) return;
  if (!dialog.open) dialog.showModal();
  dialog.querySelector("[data-word-for]")?.focus();
}

// What takes longer than a moment says that it is on its way, where its answer will be.
let waiting; // the element that asked, and its timer

function sayThatItTakesTime(opener, target) {
  const text = document.createElement("p");
  text.className = "waiting";
  text.setAttribute("role", "status");
  text.textContent = opener.dataset.waits || "One moment…";
  const timer = setTimeout(() => {
    if (target.id !== "dialog") {
      target.replaceChildren(text);
      return;
    }
    const article = document.createElement("article");
    article.className = "dialog";
    article.append(text);
    target.replaceChildren(article);
    openDialog();
  }, 300);
  waiting = { opener, timer };
}

function stopWaiting(event) {
  // What a page looks at by itself meanwhile has nothing to do with it.
  if (waiting?.opener !== event.detail.elt) return;
  clearTimeout(waiting.timer);
  waiting = undefined;
  // An answer that did not come leaves nothing behind that waits for it.
  for (const text of document.querySelectorAll(".waiting")) {
    const dialog = text.closest("dialog");
    text.remove();
    dialog?.close();
  }
}

// What was refused is said on the page, which an open dialog would cover.
function showOutcome() {
  document.getElementById("dialog")?.close();
  document.getElementById("outcome")?.scrollIntoView({ block: "nearest" });
}

function connectionLost(lost) {
  const banner = document.getElementById("lost");
  if (banner) banner.hidden = !lost;
}

// Upload with progress: the form alone would send the file without showing how far it is.
function upload(form) {
  const file = form.querySelector("input[type=file]").files[0];
  if (!file) return;
  const bar = form.querySelector("progress");
  const text = form.querySelector("[data-upload-text]");
  const request = new XMLHttpRequest();
  const begun = Date.now();
  request.upload.addEventListener("progress", (event) => {
    bar.hidden = false;
    bar.max = event.total;
    bar.value = event.loaded;
    const rate = event.loaded / Math.max(1, Date.now() - begun) / 1048.576;
    text.textContent = `${Math.floor((100 * event.loaded) / event.total)} % sent, ${rate.toFixed(1)} MiB/s`;
  });
  request.addEventListener("load", () => {
    if (request.status < 400) {
      text.textContent = "Sent. It is listed once it was read to its end.";
      location.assign("/admin/jobs/" + JSON.parse(request.responseText).job_id);
      return;
    }
    let reason = `The server answered ${request.status}.`;
    try {
      reason = JSON.parse(request.responseText).detail || reason;
    } catch {
      // The proxy's own answer is not ours to read.
    }
    text.textContent = reason;
    form.querySelector("button").disabled = false;
  });
  request.addEventListener("error", () => {
    text.textContent = "The connection was lost; nothing was kept. Try again.";
    form.querySelector("button").disabled = false;
  });
  form.querySelector("button").disabled = true;
  text.textContent = "Sending…";
  request.open("POST", form.dataset.upload + "?filename=" + encodeURIComponent(file.name));
  request.setRequestHeader("Content-Type", "application/octet-stream");
  request.send(file);
}

document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-word]");
  if (form) gate(form);
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  // Not for a button that does something else with the same form, such as the dry run.
  if (form.matches("form[data-word]") && !event.submitter?.hasAttribute("formaction")) {
    gate(form);
    if (form.querySelector("[data-gated]").disabled) {
      event.preventDefault();
      return;
    }
  }
  if (form.matches("form[data-upload]")) {
    event.preventDefault();
    upload(form);
    return;
  }
  // Twice the same button is almost always once too often. Only after this event, so that the
  // button still counts as the one that was pressed.
  if (form.method === "post") {
    setTimeout(() => form.querySelectorAll("button").forEach((button) => (button.disabled = true)));
  }
});

// A form that asks to be sent by itself when a choice is made.
document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-auto]");
  if (form && event.target.matches("select")) form.requestSubmit();
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-close]")) event.target.closest("dialog")?.close();
});

// What looks like a button is pressed like one: with the space bar too, not only with Enter.
document.addEventListener("keydown", (event) => {
  if (event.key === " " && event.target.matches("a[role=button]")) {
    event.preventDefault();
    event.target.click();
  }
});

document.addEventListener("close", (event) => {
  if (event.target.id !== "dialog") return;
  event.target.replaceChildren();
  if (waiting) htmx.trigger(waiting.opener, "htmx:abort");
}, true);

// Back to a page out of the browser's memory: its buttons must work again.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.xhr.status < 400) connectionLost(false);
  localTimes(document);
  gates(document);
  if (event.detail.target.id === "dialog") openDialog();
  if (event.detail.target.id === "outcome") showOutcome();
});
document.addEventListener("htmx:beforeRequest", (event) => {
  const { elt, target } = event.detail;
  if (elt.dataset.waits || target.id === "dialog") sayThatItTakesTime(elt, target);
});
document.addEventListener("htmx:afterRequest", stopWaiting);
document.addEventListener("htmx:sendError", () => connectionLost(true));
document.addEventListener("htmx:timeout", () => connectionLost(true));
document.addEventListener("htmx:beforeSwap", (event) => {
  // Our own error answers say where they belong; any other is the proxy's and says nothing. That
  // something could not be looked at just now passes by itself: the next look takes it back.
  const status = event.detail.xhr.status;
  const looked = event.detail.requestConfig.verb === "get" && status >= 500;
  if (looked || (status >= 400 && !event.detail.xhr.getResponseHeader("HX-Retarget"))) {
    event.detail.shouldSwap = false;
    connectionLost(true);
  }
});
window.addEventListener("offline", () => connectionLost(true));

function start() {
  localTimes(document);
  gates(document);
  // On a narrow screen the areas are a strip that is longer than the window.
  document.querySelector(".side [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  // The secret of a mailed link is in the form by now: neither history nor a shoulder keeps it.
  const address = new URL(location.href);
  for (const name of ["token", "done"]) address.searchParams.delete(name);
  if (address.href !== location.href) history.replaceState(null, "", address.href);
}
start();
