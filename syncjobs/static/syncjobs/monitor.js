"use strict";
/* What every page shares: dialogs, toasts, what a refresh keeps. times.js writes the times.
   Every page also works without scripts. */
(() => {
    const $ = (selector, root = document) => root.querySelector(selector);
    const text = (name) => document.getElementById("texts").dataset[name];

    // ---- What is announced to people who don't see it. A region that is added together with its text is not read, except
    // an alert, so these regions are on the page from the start; an open dialog has one of its own, as the page is inert.

    function announce(words) {
        const region = $("dialog[open] > [role=status]") ?? document.getElementById("announcement");
        // The same words once more are read only if the text differs.
        if (words) region.textContent = region.textContent === words ? `${words}\u00a0` : words;
    }
    window.announce = announce;
    const wordsOf = (element) => element.textContent.trim().replace(/\s+/g, " ");
    const SETTLED = 150; // milliseconds until a screen reader has said what has the focus now
    document.addEventListener("DOMContentLoaded", () => {
        const messages = [...document.querySelectorAll(".messagelist li")].map(wordsOf).join(" ");
        setTimeout(() => announce(messages), SETTLED);
    });
    document.addEventListener("htmx:afterSettle", ({ target }) => {
        const found = target.querySelector?.("[data-says]");
        if (found) announce(wordsOf(found));
    });

    // ---- Toasts

    // `action` is {url, label}: a link that opens its page in the dialog.
    function toast(level, message, action) {
        const list = $("#toasts");
        // Everything outside an open dialog is inert.
        ($("dialog[open]") ?? document.body).append(list);
        const item = $("#toast-template").content.firstElementChild.cloneNode(true);
        item.classList.add(`toast-${level}`);
        const words = window.inLocalTime(message);
        $("span", item).textContent = words;
        if (level === "error") item.setAttribute("role", "alert");
        else setTimeout(() => announce(words), SETTLED); // once the dialog has closed
        if (action) {
            const link = Object.assign(document.createElement("a"), { href: action.url, textContent: action.label, className: "btn btn-small" });
            link.dataset.dialog = "";
            link.addEventListener("click", () => item.remove());
            $("span", item).after(link);
        }
        let before = null; // what had the focus before the toast
        item.addEventListener("focusin", ({ relatedTarget }) => { if (!item.contains(relatedTarget)) before = relatedTarget; });
        $("button", item).addEventListener("click", () => {
            item.remove();
            if (document.activeElement === document.body) (before?.isConnected ? before : $("main")).focus({ preventScroll: true });
        });
        list.append(item);
        makeRoom();
        const time = Math.max(level === "error" ? 15000 : 8000, message.length * 80);
        const leave = () => item.matches(":hover, :focus-within") ? setTimeout(leave, 2000) : item.remove();
        setTimeout(leave, time);
    }
    // A toast doesn't stay above what has the focus.
    function makeRoom() {
        const list = $("#toasts"), at = document.activeElement;
        if (!list?.childElementCount || list.contains(at)) return;
        list.classList.remove("is-high");
        const [above, below] = [list.getBoundingClientRect(), at.getBoundingClientRect()];
        const isApart = above.top > below.bottom || below.top > above.bottom || above.left > below.right || below.left > above.right;
        list.classList.toggle("is-high", !isApart && at.clientHeight < innerHeight / 2);
    }
    document.addEventListener("focusin", () => requestAnimationFrame(makeRoom));
    document.addEventListener("toast", ({ detail }) => {
        $(".messagelist")?.remove(); // A loaded page would not have the messages of an earlier action.
        toast(detail.level, detail.text, detail.action);
    });
    // A request that is refused before its view gets a sentence as plain text.
    const sentenceOf = (xhr) => (xhr.getResponseHeader("Content-Type") ?? "").startsWith("text/plain") && xhr.responseText;
    for (const name of ["htmx:sendError", "htmx:timeout"]) document.addEventListener(name, ({ detail }) => {
        const isLoading = dialog()?.querySelector(".skeleton") && dialog().contains(detail.target);
        if (isLoading) closeDialog();
        if (detail.elt.matches?.("[data-live], #estimate")) return;
        toast("error", text("noAnswer"), isLoading ? { url: dialogUrl, label: text("again") } : undefined);
    });
    document.addEventListener("htmx:responseError", ({ detail }) => {
        if (detail.xhr.status === 401) location.reload();
        else if (detail.xhr.status === 403) toast("error", text("forbidden"));
        else if (detail.xhr.status === 404) toast("error", text("gone"));
        else if (!detail.elt.matches?.("[data-live]")) toast("error", sentenceOf(detail.xhr) || text("failed"));
        // A dialog whose content was refused would go on loading.
        if (dialog()?.querySelector(".skeleton") && dialog().contains(detail.target)) closeDialog();
    });

    // ---- Dialogs. A link with data-dialog opens its page in the dialog; data-dialog-hash gives the dialog its own address,
    // so that Back closes it and a copied link opens it.

    const dialog = () => document.getElementById("dialog");
    let opener = null;
    let address = ""; // of the open dialog, such as job-7; empty if it has none
    let isGoingBack = false; // from the address of a dialog that was closed
    let openedAt = 0;
    let dialogUrl = "";

    function openDialog(url, hash) {
        const box = dialog();
        dialogUrl = url;
        const isNested = box.open && Boolean(pathOfHash());
        if (!box.open) opener = document.activeElement;
        address = hash || (box.open ? address : "");
        $(".dialog-content", box).replaceChildren($("#dialog-loading").content.cloneNode(true));
        if (!box.open) {
            box.showModal();
            openedAt = Date.now();
        }
        // A job opened from another one takes its address, so that one step back leaves both.
        if (hash && !isGoingBack && location.hash !== `#${hash}`) {
            if (isNested) history.replaceState(history.state, "", `#${hash}`);
            else history.pushState({ dialog: true }, "", `#${hash}`);
        }
        htmx.ajax("GET", url, { target: ".dialog-content", swap: "innerHTML", headers: { "X-Dialog": "1" } });
    }

    function closeDialog() {
        const box = dialog();
        if (box.open) box.close();
    }

    function onClosed() {
        // The event is late: another dialog, or the same one, may have been opened meanwhile.
        if (dialog().open) return;
        $(".dialog-content", dialog()).replaceChildren();
        document.body.append($("#toasts"));
        if (location.hash && pathOfHash()) {
            if (history.state?.dialog) {
                isGoingBack = true;
                history.back();
            } else history.replaceState(null, "", location.pathname + location.search);
        }
        // Nobody loses the focus who has moved it meanwhile.
        if (document.activeElement === document.body) {
            if (opener?.isConnected) opener.focus({ preventScroll: true });
            else document.dispatchEvent(new Event("focuslost"));
        }
        opener = null;
    }

    function pathOfHash() {
        const match = /^#job-(\d{1,18})$/.exec(location.hash);
        const query = document.querySelector(".job-table") ? `?list=${encodeURIComponent(location.search.slice(1))}` : "";
        return match && document.getElementById("page-data").dataset.jobUrl.replace("/0/", `/${match[1]}/`) + query;
    }

    function followHash() {
        // A dialog that was opened since then stays, and takes its address now.
        if (isGoingBack) {
            isGoingBack = false;
            if (dialog().open && address) history.pushState({ dialog: true }, "", `#${address}`);
            return;
        }
        const path = pathOfHash();
        if (path) openDialog(path, location.hash.slice(1));
        // A dialog without an address has nothing to do with Back.
        else if (address) closeDialog();
    }

    document.addEventListener("click", (event) => {
        const link = event.target.closest("a[data-dialog]");
        if (link && event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
            event.preventDefault();
            openDialog(link.href, link.dataset.dialogHash);
        }
        if (event.target.closest("[data-dialog-close]")) {
            event.preventDefault();
            closeDialog();
        }
        // The second half of a double click that opened it doesn't close it.
        if (event.target === dialog() && Date.now() - openedAt > 500) closeDialog();
    });
    // Esc closes the dialog at once: a browser would first clear its search field.
    document.addEventListener("keydown", (event) => {
        if (event.key !== "Escape" || !event.target.matches("dialog input[type=search]")) return;
        event.preventDefault();
        closeDialog();
    });
    // A GET form with data-dialog opens its answer, a question, in the dialog.
    document.addEventListener("submit", (event) => {
        if (!event.target.matches("form[method=get][data-dialog]")) return;
        event.preventDefault();
        const query = new URLSearchParams(new FormData(event.target, event.submitter));
        // Not .action: a field of that name would hide it.
        const action = event.submitter?.getAttribute("formaction") ?? event.target.getAttribute("action");
        openDialog(`${action}?${query}`);
    });
    document.addEventListener("done", closeDialog);
    document.addEventListener("open-dialog", ({ detail }) => openDialog(detail));
    // The first field gets the focus, or the first that has an error; without fields the heading keeps it.
    const FIELD = ":is(input:not([type=hidden]), select, textarea):not(:disabled)";
    document.addEventListener("htmx:afterSettle", ({ target }) => {
        if (!target.matches?.(".dialog-content")) return;
        ($("[data-focus]", target) ?? $(`.field:has(.error) ${FIELD}`, target) ?? $(`form[method=post] ${FIELD}`, target))?.focus();
    });
    window.addEventListener("popstate", followHash);
    document.addEventListener("DOMContentLoaded", () => {
        dialog()?.addEventListener("close", onClosed);
        if (pathOfHash()) followHash();
    });

    // ---- A button whose action is on its way says so

    const pending = new Map(); // button → what it says otherwise
    document.addEventListener("submit", ({ target, submitter }) => {
        if (!submitter?.matches("button") || target.matches("[method=get], #logout-form") || pending.has(submitter)) return;
        pending.set(submitter, [...submitter.childNodes]);
        submitter.toggleAttribute("data-had-focus", document.activeElement === submitter);
        submitter.style.minWidth = `${submitter.offsetWidth}px`;
        submitter.textContent = text("pending");
    });
    function restore() {
        pending.forEach((words, button) => {
            button.replaceChildren(...words);
            // It was disabled meanwhile, and a disabled button has no focus.
            if (button.hasAttribute("data-had-focus") && document.activeElement === document.body) button.focus({ preventScroll: true });
            button.removeAttribute("data-had-focus");
        });
        pending.clear();
    }
    document.addEventListener("htmx:afterRequest", restore);
    window.addEventListener("pageshow", restore);

    // ---- Plain forms can't be submitted twice

    document.addEventListener("submit", (event) => {
        if (event.target.matches("[hx-post], [method=get], #logout-form")) return;
        setTimeout(() => event.target.querySelectorAll("button[type=submit], input[type=submit]").forEach((b) => { b.disabled = true; }));
    });
    window.addEventListener("pageshow", (event) => {
        if (event.persisted) document.querySelectorAll("button:disabled[type=submit]").forEach((b) => { b.disabled = false; });
    });

    // ---- Days in filters and times in forms are the reader's, so the server needs the time zone

    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (zone && !document.cookie.includes(`timezone=${zone};`) && !document.cookie.endsWith(`timezone=${zone}`))
        document.cookie = `timezone=${zone}; path=/; max-age=31536000; SameSite=Lax`;

    // ---- The estimate in the trigger form: Trigger is enabled while there is something to sync, as far as we know

    function onEstimate(hasFailed) {
        const note = $("[data-estimate-failed]"), button = $("[data-needs-estimate]");
        if (!note || !button) return;
        note.hidden = !hasFailed;
        $("#estimate").classList.toggle("is-outdated", hasFailed);
        button.disabled = !hasFailed && Boolean($("#estimate [data-nothing]"));
    }
    document.addEventListener("htmx:beforeRequest", ({ detail }) => {
        if (detail.elt.id === "estimate") detail.elt.classList.add("is-outdated");
    });
    document.addEventListener("htmx:afterRequest", ({ detail }) => {
        if (detail.elt.id === "estimate" && !detail.successful && detail.xhr?.status !== 401) onEstimate(true);
    });
    document.addEventListener("htmx:afterSettle", ({ target }) => { if (target.id === "estimate") onEstimate(false); });
    // Leaving the field of a typed band adds a line above the button, which would move away from under the pointer.
    document.addEventListener("mousedown", (event) => { if (event.target.closest("[data-needs-estimate]")) event.preventDefault(); });
    document.addEventListener("click", (event) => {
        if (event.target.closest("[data-estimate-again]")) $("#trigger-form").dispatchEvent(new Event("change", { bubbles: true }));
    });

    // ---- What was found fills a field in, unless somebody has typed there: data-fills has the ID of the field

    document.addEventListener("htmx:afterSwap", ({ target }) => {
        const found = target.querySelector?.("[data-fills]");
        const field = found && document.getElementById(found.dataset.fills);
        if (field && ["", field.dataset.filled].includes(field.value.trim())) field.value = field.dataset.filled = found.value;
    });

    // ---- Images that don't load show a placeholder

    document.addEventListener("error", (event) => {
        if (event.target.matches?.("img.thumb")) event.target.src = document.getElementById("page-data").dataset.placeholder;
    }, true);

    // ---- A refresh keeps what the reader changed: checked boxes, typed text, open details, the selected row

    if (window.Idiomorph) {
        Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node) =>
            !((name === "open" && node.matches("details")) || (name === "checked" && node.matches("input")) ||
              (["aria-selected", "aria-label", "tabindex"].includes(name) && node.matches("tr")));
        Idiomorph.defaults.callbacks.beforeNodeMorphed = (node, next) => {
            if (node.nodeType !== 1) return true;
            const isEdited = node === document.activeElement && node.matches("input:not([type=checkbox]), textarea, select");
            if (isEdited) return document.documentElement.hasAttribute("data-overwrites");
            if (node.matches("input[type=checkbox]")) next.checked = node.checked;
            // A focused button keeps the focus, but its text must say what it does now.
            if (node === document.activeElement && node.matches("a, button")) node.replaceChildren(...next.cloneNode(true).childNodes);
            if (node.matches("time[data-time]") && node.dateTime === next.dateTime) return false;
            return !node.matches("[data-keep]");
        };
    }

    // ---- A band picked from the suggestions of a field with data-adds="ID" becomes a checked box in the element with that ID

    document.addEventListener("change", ({ target }) => {
        const option = target.dataset.adds && [...target.list.options].find((each) => each.value === target.value);
        if (!option) return;
        const list = document.getElementById(target.dataset.adds);
        let box = list.querySelector(`input[value="${CSS.escape(option.dataset.id)}"]`);
        if (!box) {
            const label = document.createElement("label");
            label.className = "check";
            box = Object.assign(document.createElement("input"), { type: "checkbox", name: "band", value: option.dataset.id });
            const name = document.createElement("span");
            name.textContent = option.label;
            label.append(box, name);
            list.append(label);
        }
        box.checked = true;
        target.value = "";
    }, true); // before the estimate reads the form
})();
