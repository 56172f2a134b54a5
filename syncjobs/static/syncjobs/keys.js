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
    }
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

    // ---- The row that had the focus keeps it when the button that had it is gone, such as Cancel of a job that was asked to stop

    let rowInUse = "";
    const rowOf = (element) => element.closest?.("[data-rows] > [id]");
    document.addEventListener("focusin", ({ target }) => { if (!target.closest("dialog")) rowInUse = rowOf(target)?.id ?? ""; });
    document.addEventListener("pointerdown", ({ target }) => { if (!target.closest("dialog") && !rowOf(target)) rowInUse = ""; });
    document.addEventListener("htmx:afterSettle", () => {
        const row = document.activeElement === document.body && !$("dialog[open]") && document.getElementById(rowInUse);
        if (!row) return;
        row.tabIndex = -1;
        row.focus({ preventScroll: true });
    });

    // ---- Keys

    const rows = () => [...document.querySelectorAll("[data-rows] > tr, [data-rows] > li")];
    function move(step) {
        const all = rows();
        if (!all.length) return;
        const at = all.findIndex((row) => row.getAttribute("aria-selected") === "true");
        const next = all[Math.min(all.length - 1, Math.max(0, at < 0 ? 0 : at + step))];
        all.forEach((row) => row.removeAttribute("aria-selected"));
        next.setAttribute("aria-selected", "true");
        next.tabIndex = -1;
        next.focus({ preventScroll: true });
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
        const text = $("#palette-text"), open = () => $("#palette-results a")?.click();
        // What is found may still be that of an earlier text.
        if (text.value.trim() === ($("#palette-results [data-text]")?.dataset.text ?? "")) open();
        else document.addEventListener("htmx:afterSettle", open, { once: true });
    });
})();
