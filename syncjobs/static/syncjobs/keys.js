"use strict";
/* Keys, the selection of rows, and the palette. */
(() => {
    const $ = (selector, root = document) => root.querySelector(selector);
    const boxes = () => [...document.querySelectorAll("[data-select]")];

    // ---- Selecting rows: a box for all, ranges with Shift, a count, and the actions that appear with a selection

    let last = null; // the box that begins a range
    document.addEventListener("change", (event) => {
        if (event.target.matches("[data-select-all]")) boxes().forEach((box) => { box.checked = event.target.checked; });
        if (event.target.matches("[data-select-all], [data-select]")) showSelection();
        if (event.target.matches("[data-select-all]")) announceSelection();
        if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
    });
    document.addEventListener("click", (event) => {
        const box = event.target.closest?.("[data-select]");
        if (box) select(box, event.shiftKey);
    });
    // With `isRange`, the boxes from the last one to this one become as this one is.
    function select(box, isRange) {
        const all = boxes(), [from, to] = [all.indexOf(last), all.indexOf(box)].sort((a, b) => a - b);
        if (isRange && from >= 0) all.slice(from, to + 1).forEach((each) => { each.checked = box.checked; });
        last = box;
        showSelection();
        announceSelection();
    }
    const announceSelection = () => window.announce(($(".selection-bar > span")?.textContent ?? "").trim());
    function showSelection() {
        const selected = boxes().filter((box) => box.checked).length;
        document.querySelectorAll("[data-selected-count]").forEach((each) => { each.textContent = selected; });
        document.querySelectorAll("[data-when-selected]").forEach((each) => { each.hidden = selected === 0; });
        showActions();
        const all = $("[data-select-all]");
        if (all) {
            all.checked = selected > 0 && selected === boxes().length;
            all.indeterminate = selected > 0 && !all.checked;
        }
    }
    // What none of the selected jobs allows is not offered; what others than the shown ones allow is unknown.
    function showActions() {
        const allowed = boxes().filter((box) => box.checked).flatMap((box) => box.dataset.select.split(" "));
        const isAll = Boolean($(".selection-bar [name=all]")?.checked);
        document.querySelectorAll(".selection-bar [name=action]").forEach((each) => { each.hidden = !isAll && !allowed.includes(each.value); });
    }
    document.addEventListener("change", ({ target }) => { if (target.matches(".selection-bar [name=all]")) showActions(); });

    // An action on the selection that has succeeded leaves none behind; an action on one row keeps it.
    let isOfSelection = false;
    document.addEventListener("submit", ({ target }) => { if (target.matches("form[method=get][data-dialog]")) isOfSelection = true; });
    document.addEventListener("click", ({ target }) => { if (target.closest?.("a[data-dialog], [data-dialog-close]")) isOfSelection = false; });
    document.addEventListener("toast", ({ detail }) => {
        if (!isOfSelection || detail.level === "error") return;
        isOfSelection = false;
        for (const box of document.querySelectorAll("[data-select], .selection-bar [name=all]")) box.checked = false;
        showSelection();
    });
    document.addEventListener("DOMContentLoaded", showSelection);
    document.addEventListener("htmx:afterSettle", showSelection);

    // ---- When what had the focus is gone, such as Cancel of a job that was asked to stop, its row gets the focus, or the
    // heading of the nearest part of the page that is left: otherwise a keyboard would begin at the top of the page again

    // The menu of a phone doesn't stay open above what has the focus now.
    document.addEventListener("focusin", ({ target }) => {
        const menu = $("#monitor-menu:popover-open");
        if (menu && !target.closest("#monitor-menu, #menu-button")) menu.hidePopover();
    });

    // A row of a table has no name of its own, and a screen reader would say nothing.
    function focusOn(element) {
        if (element.matches("tr")) nameRow(element);
        element.tabIndex = -1;
        element.focus({ preventScroll: true });
    }
    function nameRow(row) {
        const cells = [...row.cells].filter((cell) => !cell.matches(".tick, .actions"));
        row.setAttribute("aria-label", cells.map((cell) => cell.innerText.trim().replace(/\s+/g, " ")).filter(Boolean).join(", "));
    }
    document.addEventListener("htmx:afterSettle", () => { if (document.activeElement.matches("tr")) nameRow(document.activeElement); });

    let places = []; // IDs of what is around the element that had the focus, the nearest first
    const rowOf = (element) => element.closest?.("[data-rows] > [id]");
    function placesOf(element) {
        const found = [];
        for (let each = element.closest("[id]"); each; each = each.parentElement?.closest("[id]")) found.push(each.id);
        return found;
    }
    document.addEventListener("focusin", ({ target }) => { if (!target.closest("dialog, #toasts, .selection-bar")) places = placesOf(target); });
    document.addEventListener("pointerdown", ({ target }) => { if (!target.closest("dialog") && !rowOf(target)) places = []; });
    function restoreFocus() {
        if (document.activeElement !== document.body || $("dialog[open], [data-had-focus]")) return;
        const place = places.map((id) => document.getElementById(id)).find((each) => each?.checkVisibility());
        const target = place && (place.parentElement.matches("[data-rows]") ? place : $("h1, h2, h3, [data-list-head]", place) ?? place);
        if (!target) return;
        focusOn(target);
    }
    // What a person has changed may push the button that they pressed out of view.
    let actedAt = 0;
    document.addEventListener("changed", () => { actedAt = Date.now(); });
    document.addEventListener("htmx:afterSettle", () => {
        restoreFocus();
        const at = document.activeElement;
        if (Date.now() - actedAt < 2000 && at.matches(":focus-visible") && !at.closest("dialog")) at.scrollIntoView({ block: "nearest" });
    });
    document.addEventListener("focuslost", restoreFocus);

    // ---- Keys

    const rows = () => [...document.querySelectorAll("[data-rows] > tr, [data-rows] > li")];
    function move(step) {
        const all = rows();
        if (!all.length) return;
        const at = all.findIndex((row) => row.getAttribute("aria-selected") === "true");
        const next = all[Math.min(all.length - 1, Math.max(0, at < 0 ? 0 : at + step))];
        all.forEach((row) => row.removeAttribute("aria-selected"));
        next.setAttribute("aria-selected", "true");
        focusOn(next);
        next.scrollIntoView({ block: "nearest" });
    }
    function toggle(isRange) {
        const box = $('[aria-selected="true"] [data-select]');
        if (!box) return;
        box.checked = !box.checked;
        select(box, isRange);
    }
    // The open job in the dialog comes before the page behind it.
    const follow = (key) => ($(`dialog [data-page-key=${key}]`) ?? $(`[data-page-key=${key}]`)).click();
    const keys = {
        "/": () => { const box = $("[data-search]"); box?.focus(); box?.select(); },
        "j": () => $("[data-page-key=j]") ? follow("j") : move(1),
        "k": () => $("[data-page-key=k]") ? follow("k") : move(-1),
        "x": () => toggle(false),
        "X": () => toggle(true),
        "a": () => [...document.querySelectorAll(".toast a, .selection-bar button")].find((each) => each.checkVisibility())?.focus(),
        "r": () => $('tr[aria-selected="true"] [data-key=r], [data-page-key=r]')?.click(),
        "Enter": () => $('tr[aria-selected="true"] [data-key=open]')?.click(),
        "?": () => document.dispatchEvent(new CustomEvent("open-dialog", { detail: document.getElementById("page-data").dataset.helpUrl })),
    };
    document.addEventListener("keydown", (event) => {
        if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k" && $("#palette-link")) {
            event.preventDefault();
            $("#palette-link").click();
            return;
        }
        if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]")) return;
        if (event.key === "Enter" && !event.target.matches("tr")) return;
        if ($("dialog[open]") && !$(`dialog [data-page-key="${CSS.escape(event.key)}"]`)) return;
        const act = keys[event.key];
        if (!act) return;
        event.preventDefault();
        act();
    });

    // ---- The palette: arrows go through what it finds, Enter in its field opens the first

    document.addEventListener("keydown", (event) => {
        const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
        if (!step || !event.target.closest("#palette, #palette-results")) return;
        event.preventDefault();
        const stops = [$("#palette-text"), ...document.querySelectorAll("#palette-results a")];
        stops[Math.min(stops.length - 1, Math.max(0, stops.indexOf(event.target) + step))].focus();
    });
    document.addEventListener("submit", (event) => {
        if (event.target.id !== "palette") return;
        event.preventDefault();
        // What is found may still be that of an earlier text, and something else may settle before the answer comes.
        const text = $("#palette-text");
        function openFirst() {
            if (text.isConnected && text.value.trim() !== ($("#palette-results [data-text]")?.dataset.text ?? "")) return;
            document.removeEventListener("htmx:afterSettle", openFirst);
            if (text.isConnected) $("#palette-results a")?.click();
        }
        document.addEventListener("htmx:afterSettle", openFirst);
        openFirst();
    });
})();
