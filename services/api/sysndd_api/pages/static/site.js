// Progressive enhancement beyond htmx. Without it, times stay in UTC, dialogs are separate pages, and
// the server alone checks the typed word.
"use strict";

const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const localShort = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

// The server renders UTC, which stays in the tooltip; the text is in the viewer's time zone.
function showLocalTimes(root) {
  for (const element of root.querySelectorAll("time[datetime]:not([data-local])")) {
    element.dataset.local = "yes";
    const format = element.closest("td") ? localShort : local;
    element.textContent = format.format(new Date(element.dateTime));
  }
}

// A destructive button is enabled only while every typed word matches exactly.
function updateConfirmButton(form) {
  const button = form.querySelector("[data-gated]");
  const matches = [...form.querySelectorAll("[data-word-for]")].every(
    (input) => input.value === input.dataset.wordFor
  );
  button.disabled = !matches;
}

function updateConfirmButtons(root) {
  for (const form of root.querySelectorAll("form[data-word]")) updateConfirmButton(form);
}

function openDialog() {
  const dialog = document.getElementById("dialog");
  if (!dialog?.childElementCount) return;
  if (!dialog.open) dialog.showModal();
  dialog.querySelector("[data-word-for]")?.focus();
}

// A slow request shows a message in the place of its response.
let waiting; // the element that sent the request, and the timer of its message

function showWaiting(opener, target) {
  const text = document.createElement("p");
  text.className = "waiting";
  text.setAttribute("role", "status");
  text.textContent = opener.dataset.waitingText || "Loading…";
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

function hideWaiting(event) {
  // Other requests, such as polling, do not end the wait.
  if (waiting?.opener !== event.detail.elt) return;
  clearTimeout(waiting.timer);
  waiting = undefined;
  // Remove the message if no response replaced it.
  for (const text of document.querySelectorAll(".waiting")) {
    const dialog = text.closest("dialog");
    text.remove();
    dialog?.close();
  }
}

// Errors are shown on the page, so an open dialog must not cover them.
function showOutcome() {
  document.getElementById("dialog")?.close();
  document.getElementById("outcome")?.scrollIntoView({ block: "nearest" });
}

function setConnectionLost(lost) {
  const banner = document.getElementById("lost");
  if (banner) banner.hidden = !lost;
}

// Uploads by script, because a plain form submission shows no progress.
function upload(form) {
  const file = form.querySelector("input[type=file]").files[0];
  if (!file) return;
  const bar = form.querySelector("progress");
  const text = form.querySelector("[data-upload-text]");
  const request = new XMLHttpRequest();
  const startedAt = Date.now();
  request.upload.addEventListener("progress", (event) => {
    bar.hidden = false;
    bar.max = event.total;
    bar.value = event.loaded;
    const rate = event.loaded / Math.max(1, Date.now() - startedAt) / 1048.576;
    text.textContent = `${Math.floor((100 * event.loaded) / event.total)}% uploaded, ${rate.toFixed(1)} MiB/s`;
  });
  request.addEventListener("load", () => {
    if (request.status < 400) {
      text.textContent = "Uploaded. Checking the file…";
      location.assign("/admin/jobs/" + JSON.parse(request.responseText).job_id);
      return;
    }
    let reason = `Upload failed: the server responded with status ${request.status}.`;
    try {
      reason = JSON.parse(request.responseText).detail || reason;
    } catch {
      // The response is from the proxy, not from the API.
    }
    text.textContent = reason;
    form.querySelector("button").disabled = false;
  });
  request.addEventListener("error", () => {
    text.textContent = "Upload failed: connection lost. Nothing was saved.";
    form.querySelector("button").disabled = false;
  });
  form.querySelector("button").disabled = true;
  text.textContent = "Uploading…";
  request.open("POST", form.dataset.upload + "?filename=" + encodeURIComponent(file.name));
  request.setRequestHeader("Content-Type", "application/octet-stream");
  request.send(file);
}

document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-word]");
  if (form) updateConfirmButton(form);
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  // Not for a button with its own action, such as the dry run.
  if (form.matches("form[data-word]") && !event.submitter?.hasAttribute("formaction")) {
    updateConfirmButton(form);
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
  // Prevents a double submission. Deferred, because a disabled button would not be the submitter.
  if (form.method === "post") {
    setTimeout(() => form.querySelectorAll("button").forEach((button) => (button.disabled = true)));
  }
});

// Filters are submitted when a select changes.
document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-auto-submit]");
  if (form && event.target.matches("select")) form.requestSubmit();
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-close]")) event.target.closest("dialog")?.close();
});

// Links with the role of a button react to the space bar, too.
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

// A page restored from the back/forward cache has disabled buttons.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.xhr.status < 400) setConnectionLost(false);
  showLocalTimes(document);
  updateConfirmButtons(document);
  if (event.detail.target.id === "dialog") openDialog();
  if (event.detail.target.id === "outcome") showOutcome();
});
document.addEventListener("htmx:beforeRequest", (event) => {
  const { elt, target } = event.detail;
  if (elt.dataset.waitingText || target.id === "dialog") showWaiting(elt, target);
});
document.addEventListener("htmx:afterRequest", hideWaiting);
document.addEventListener("htmx:sendError", () => setConnectionLost(true));
document.addEventListener("htmx:timeout", () => setConnectionLost(true));
document.addEventListener("htmx:beforeSwap", (event) => {
  // The API's error responses name their target; any other response is from the proxy. A failed
  // poll only shows that the connection is lost, and the next successful one clears that.
  const status = event.detail.xhr.status;
  const pollFailed = event.detail.requestConfig.verb === "get" && status >= 500;
  if (pollFailed || (status >= 400 && !event.detail.xhr.getResponseHeader("HX-Retarget"))) {
    event.detail.shouldSwap = false;
    setConnectionLost(true);
  }
});
window.addEventListener("offline", () => setConnectionLost(true));

function start() {
  showLocalTimes(document);
  updateConfirmButtons(document);
  // On a narrow screen the navigation is a strip that scrolls sideways.
  document.querySelector(".side [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  // The form has the token of an emailed link, so it can be removed from address and history.
  const address = new URL(location.href);
  for (const name of ["token", "done"]) address.searchParams.delete(name);
  if (address.href !== location.href) history.replaceState(null, "", address.href);
}
start();
