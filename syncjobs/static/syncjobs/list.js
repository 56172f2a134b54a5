"use strict";
/* Lists answer without loading the page: a link or form of #list that leads to the same page swaps #list by htmx and keeps
   the address, so that Back, copied addresses and pages without scripts work as links do. The header X-List asks for the
   list alone. */
(() => {
    const TYPING_PAUSE = 250; // milliseconds
    const list = () => document.getElementById("list");
    const here = () => location.pathname + location.search;
    let shown = here();
    let serial = 0;
    let current = null; // the newest request
    const isNewest = (detail) => current !== null && detail.requestConfig?.headers?.["X-List"] === current.serial;
    let timer = null;

    /* `how` is push, replace (the address of what is being typed) or back (the browser has the address already). */
    function load(url, { how = "push", isTyped = false, fromPager = false } = {}) {
        clearTimeout(timer);
        const box = list();
        current = null;
        htmx.trigger(box, "htmx:abort");
        current = { serial: String(++serial), how, isTyped, fromPager, at: Date.now(), hadFocus: box.contains(document.activeElement) };
        box.setAttribute("aria-busy", "true");
        // What is being typed stays; anything else in the fields is of the list that goes.
        document.documentElement.toggleAttribute("data-overwrites", !isTyped);
        const headers = { "X-List": current.serial };
        if (box.querySelector(".more-filters[open]")) headers["X-Open"] = "1";
        htmx.ajax("GET", url, { source: box, target: box, swap: "morph:outerHTML", headers }).catch(() => {});
    }

    function onSwapped({ detail }) {
        if (!isNewest(detail)) return;
        const { how, isTyped, fromPager, at, hadFocus } = current;
        current = null;
        // The server may have redirected to the address that it prefers.
        const { pathname, search } = new URL(detail.xhr.responseURL);
        const url = pathname + search;
        if (how === "push" && url !== shown) history.pushState({ isTyped }, "", url);
        else if (how !== "back" && url !== here()) history.replaceState({ isTyped }, "", url);
        shown = url;
        document.documentElement.removeAttribute("data-overwrites");
        list().removeAttribute("aria-busy");
        announce();
        // The link that was clicked may be gone, such as Next on the last page.
        if (hadFocus && document.activeElement === document.body) focusHead();
        if (fromPager) showTop();
        document.dispatchEvent(new CustomEvent("listed", { detail: { since: at } }));
    }

    const head = () => list().querySelector("[data-list-head]") ?? list();
    function focusHead() {
        head().tabIndex = -1;
        head().focus({ preventScroll: true });
    }

    function announce() {
        const texts = [...list().querySelectorAll("[data-announce]")].map((each) => each.textContent.trim().replace(/\s+/g, " "));
        window.announce(texts.filter(Boolean).join(", "));
    }

    function showTop() {
        if (head().getBoundingClientRect().top < 60) head().scrollIntoView({ block: "start" });
    }

    document.addEventListener("htmx:afterSwap", onSwapped);
    document.addEventListener("htmx:afterRequest", ({ detail }) => {
        if (!isNewest(detail) || detail.successful || detail.xhr?.status === 401) return;
        document.documentElement.removeAttribute("data-overwrites");
        list().removeAttribute("aria-busy");
        if (current.how === "back") location.reload();
        current = null;
    });

    // Ranges of dates are counted once somebody sees them, who may be typing already.
    document.addEventListener("toggle", ({ target }) => {
        if (target.matches("#list .more-filters[open]") && !target.querySelector("#ranges .chip-count")) load(here(), { how: "replace", isTyped: true });
    }, true);

    // A person has changed how the list looks.
    document.addEventListener("relist", ({ detail }) => list() && load(detail.value));

    // ---- What leads to the same page

    const isHere = (url) => url.origin === location.origin && url.pathname === location.pathname;

    document.addEventListener("click", (event) => {
        const link = event.target.closest("#list a[href]");
        if (!link || link.matches("[data-dialog], [download], [target]") || event.defaultPrevented) return;
        if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
        const url = new URL(link.href);
        if (!isHere(url) || url.hash) return;
        event.preventDefault();
        load(url.pathname + url.search, { fromPager: Boolean(link.closest(".pages")) });
    });

    function urlOf(form, submitter) {
        const url = new URL(form.getAttribute("action") || location.pathname, location.href);
        const fields = [...new FormData(form, submitter)].filter(([, value]) => value !== "");
        url.search = new URLSearchParams(fields).toString();
        return url;
    }
    document.addEventListener("submit", (event) => {
        const form = event.target;
        if (!form.matches("#list form[method=get]:not([data-dialog])")) return;
        const url = urlOf(form, event.submitter);
        if (!isHere(url)) return;
        event.preventDefault();
        load(url.pathname + url.search, { fromPager: Boolean(form.closest(".pages")) });
    });

    // Searching while typing makes one entry of the history.
    function onTyped({ target, isComposing }) {
        if (isComposing || !target.matches("#list form[method=get] [data-search]")) return;
        clearTimeout(timer);
        timer = setTimeout(() => {
            const url = urlOf(target.form);
            load(url.pathname + url.search, { how: history.state?.isTyped ? "replace" : "push", isTyped: true });
        }, TYPING_PAUSE);
    }
    document.addEventListener("input", onTyped);
    document.addEventListener("compositionend", onTyped);

    window.addEventListener("popstate", () => {
        if (list() && here() !== shown) load(here(), { how: "back" });
    });
})();
