"use strict";
/* Keeps what a page shows up to date: by Server-Sent Events where it can, else by asking now and then.

   A region is an element with hx-get and hx-trigger="refresh", and
     data-live="job queue"     the events after which it is asked for again (at most every data-live-every ms, default 400)
     data-live-job="48213"     only events of this job and its children
     data-poll="30"            seconds between questions while there is no event stream
     data-active="false"       nothing in it can change by itself: then it is not polled
   Nothing is asked for while the tab is hidden; what was missed is asked for when it is looked at again. */
(() => {
    const EVERY = 400;
    const RETRY_SECONDS = 5; // after an answer that failed
    const regions = () => document.querySelectorAll("[data-live]");
    const state = { connected: false, everConnected: false, failedAt: null, updatedAt: Date.now() };
    const due = new WeakMap(); // region → {dirty, last, timer}

    function bookkeeping(region) {
        if (!due.has(region)) due.set(region, { dirty: false, last: Date.now(), timer: null });
        return due.get(region);
    }

    function refresh(region, atOnce = false) {
        const book = bookkeeping(region);
        book.dirty = true;
        if (atOnce) {
            clearTimeout(book.timer);
            book.timer = null;
            book.last = 0;
        }
        if (document.hidden || book.timer) return;
        const wait = Math.max(0, book.last + Number(region.dataset.liveEvery || EVERY) - Date.now());
        book.timer = setTimeout(() => {
            book.timer = null;
            if (!book.dirty || document.hidden || !region.isConnected) return;
            book.dirty = false;
            book.last = Date.now();
            htmx.trigger(region, "refresh");
        }, wait);
    }

    function concerns(region, name, data) {
        if (name === "reset" || name === "many") return true;
        if (!region.dataset.live.split(" ").includes(name)) return false;
        const only = region.dataset.liveJob;
        return !only || !data || String(data.id) === only || String(data.parentId) === only;
    }

    function onEvent(name, event) {
        let data = null;
        try { data = JSON.parse(event.data); } catch { /* an event without data concerns everything */ }
        for (const region of regions()) if (concerns(region, name, data)) refresh(region);
    }

    /* An EventSource that is open only while the tab is looked at: a browser has six connections to a host, and hidden
       tabs must not use them up. To htmx's extension it looks like one that stays. */
    class VisibleSource {
        constructor(url) {
            this.url = url;
            this.listeners = [];
            this.closed = false;
            this.onVisibility = () => (document.hidden ? this.disconnect() : this.connect());
            document.addEventListener("visibilitychange", this.onVisibility);
            for (const name of ["job", "queue", "many", "reset"]) this.addEventListener(name, (event) => onEvent(name, event));
            this.connect();
        }
        connect() {
            if (this.closed || this.real || document.hidden) return;
            // The address says from which change on the page has to be told; one that connects again asks for all anew.
            const url = state.everConnected ? this.url.split("?")[0] : this.url;
            this.real = new EventSource(url, { withCredentials: true });
            this.real.onopen = (event) => {
                state.connected = true;
                state.failedAt = null;
                // What happened while nobody listened.
                if (state.everConnected) regions().forEach((region) => refresh(region));
                state.everConnected = true;
                state.updatedAt = Date.now();
                this.onopen?.(event);
                show();
            };
            this.real.onerror = () => {
                // A stream that breaks off may mean that the server is gone: whoever is asked next will tell.
                if (state.connected) state.failedAt ??= Date.now();
                state.connected = false;
                show();
                // EventSource gives up for good on an answer that is no stream; we try again.
                if (this.real?.readyState === EventSource.CLOSED) {
                    this.disconnect();
                    setTimeout(() => this.connect(), 15000);
                }
            };
            for (const [name, listener] of this.listeners) this.real.addEventListener(name, listener);
        }
        disconnect() {
            this.real?.close();
            this.real = null;
            state.connected = false;
        }
        get readyState() { return this.real ? this.real.readyState : EventSource.CONNECTING; }
        addEventListener(name, listener) {
            this.listeners.push([name, listener]);
            this.real?.addEventListener(name, listener);
        }
        removeEventListener(name, listener) {
            this.listeners = this.listeners.filter(([n, l]) => n !== name || l !== listener);
            this.real?.removeEventListener(name, listener);
        }
        close() {
            this.closed = true;
            document.removeEventListener("visibilitychange", this.onVisibility);
            this.disconnect();
        }
    }
    htmx.createEventSource = (url) => new VisibleSource(url);

    function poll() {
        const isLost = state.failedAt !== null;
        if (document.hidden || (state.connected && !isLost)) return;
        for (const region of regions()) {
            const seconds = isLost ? RETRY_SECONDS : Number(region.dataset.poll);
            if (!seconds || (region.dataset.active === "false" && !isLost)) continue;
            if (Date.now() - bookkeeping(region).last >= seconds * 1000) refresh(region);
        }
    }

    function show() {
        const label = document.getElementById("live-state");
        if (!label) return;
        const at = new Date(state.updatedAt).toLocaleTimeString();
        const lost = state.failedAt !== null;
        const name = lost ? "lost" : state.connected ? "live" : "polling";
        label.dataset.state = name;
        label.querySelector("span").textContent = label.dataset[name];
        label.title = `${label.dataset.updated} ${at}`;
        label.querySelector("time").textContent = at;
    }

    document.addEventListener("htmx:afterRequest", ({ detail }) => {
        if (!detail.elt.matches?.("[data-live]")) return;
        if (detail.successful) {
            state.failedAt = null;
            state.updatedAt = Date.now();
        } else if (detail.xhr?.status === 0 || detail.xhr?.status >= 500) {
            state.failedAt ??= Date.now();
        }
        show();
    });
    document.addEventListener("visibilitychange", () => {
        if (document.hidden) return;
        for (const region of regions()) if (bookkeeping(region).dirty || !state.connected) refresh(region);
    });
    // Whatever a person has done shows at once, stream or not.
    document.addEventListener("changed", () => regions().forEach((region) => refresh(region, true)));
    setInterval(poll, 1000);
    document.addEventListener("DOMContentLoaded", show);
})();
