"use strict";
/* Keeps the live regions of a page up to date: by Server-Sent Events, or by polling while there is no event stream.

   A live region is an element with hx-get and hx-trigger="refresh" (see the template tag `live`), and
     data-live="job queue"     the events that refresh it (at most every data-live-every milliseconds, default 400)
     data-live-job="48213"     only events of this job and its children count
     data-poll="30"            seconds between requests while there is no event stream
     data-always="true"        also while there is one: it shows what no event reports
     data-active="false"       nothing in it changes by itself, so it is not polled
   A hidden tab requests nothing; it catches up when it becomes visible again.

   Silence is not health. The server sends a heartbeat every 10 seconds and says when something stops answering; a stream
   that is silent for longer, or a request that gets no answer, makes the page say Disconnected and mark its figures. */
(() => {
    const REFRESH_EVERY = 400; // milliseconds
    const RETRY_SECONDS = 5; // after a failed request
    const RECONNECT = 15000; // milliseconds, after the server refused the stream
    const MAX_SILENCE = 22000; // milliseconds without any event, two heartbeats and a bit
    const MAX_WAIT = 10000; // milliseconds for the answer to a request that only reads
    const CONNECTING = 5000; // milliseconds until a page without an event stream says so
    const EVENTS = ["job", "queue", "many", "reset"];

    const regions = () => document.querySelectorAll("[data-live]");
    const refreshes = new WeakMap(); // region → {isDue, last, timer}
    let stream = null;
    let isConnected = false;
    let wasConnected = false;
    let failedAt = null;
    let updatedAt = Date.now();
    const loadedAt = Date.now();
    let heardAt = Date.now();
    let healthVersion = "";

    function refreshOf(region) {
        if (!refreshes.has(region)) refreshes.set(region, { isDue: false, last: loadedAt, timer: null });
        return refreshes.get(region);
    }

    function refresh(region, immediately = false) {
        const state = refreshOf(region);
        state.isDue = true;
        if (immediately) {
            clearTimeout(state.timer);
            state.timer = null;
            state.last = 0;
        }
        if (document.hidden || state.timer) return;
        const wait = Math.max(0, state.last + Number(region.dataset.liveEvery || REFRESH_EVERY) - Date.now());
        state.timer = setTimeout(() => {
            state.timer = null;
            if (!state.isDue || document.hidden || !region.isConnected) return;
            state.isDue = false;
            state.last = Date.now();
            htmx.trigger(region, "refresh");
        }, wait);
    }

    // ---- The event stream. Not htmx's SSE extension: a browser has six connections per host, so hidden tabs close theirs,
    // and one event refreshes only the regions it concerns, at a limited rate.

    function concerns(region, name, change) {
        if (name === "reset" || name === "many") return true;
        if (!region.dataset.live.split(" ").includes(name)) return false;
        const job = region.dataset.liveJob;
        return !job || !change || String(change.id) === job || String(change.parentId) === job;
    }

    // Only an event proves that the server is there: a frozen one still accepts connections.
    function heard() {
        heardAt = Date.now();
        if (isConnected) return;
        if (wasConnected) regions().forEach((region) => refresh(region));
        isConnected = wasConnected = true;
        failedAt = null;
        updatedAt = Date.now();
        show();
    }

    function onHealth({ data }) {
        heard();
        const region = document.getElementById("health");
        if (region && region.dataset.version !== JSON.parse(data).version) refresh(region, true);
    }

    function onAlerts({ data }) {
        heard();
        const told = JSON.parse(data);
        const count = document.getElementById("alert-count");
        if (count?.dataset.version === told.version) return;
        if (count) count.dataset.version = told.version;
        showAlerts(told.attention, told.critical);
        for (const region of regions()) if (concerns(region, "alerts", null)) refresh(region, true);
    }

    // The number of alerts that need attention, in the navigation and in the tab's title.
    function showAlerts(attention, critical) {
        const counts = document.querySelectorAll("#alert-count, #menu-count");
        if (!counts.length) return;
        counts.forEach((count) => {
            count.hidden = !attention;
            count.toggleAttribute("data-critical", critical > 0);
            count.textContent = attention || "";
        });
        const title = document.title.replace(/^\(\d+\) /, "");
        document.title = attention ? `(${attention}) ${title}` : title;
    }

    // Of the strip on the dashboard only what is new is announced: a live region would read its times again and again.
    let knownLines = null; // IDs
    function announceNew() {
        const strip = document.getElementById("part-attention");
        if (!strip) return;
        const lines = [...strip.querySelectorAll("[data-line]")], known = knownLines;
        knownLines = lines.map((line) => line.id);
        if (!known) return;
        const words = lines.filter((line) => !known.includes(line.id)).map((line) => line.querySelector("[data-line-text]").textContent.trim());
        if (known.length && !lines.length) words.push(strip.querySelector("h2").textContent.trim());
        window.announce(words.join(" "));
    }

    function onEvent({ type, data }) {
        heard();
        let change = null;
        try { change = JSON.parse(data); } catch { /* an event without data concerns every region */ }
        for (const region of regions()) if (concerns(region, type, change)) refresh(region);
    }

    function connect() {
        const { events, position } = document.getElementById("live")?.dataset ?? {};
        if (!events || stream || document.hidden) return;
        // The position is that of the page as it was loaded; a later connection refreshes everything instead.
        stream = new EventSource(wasConnected ? events : `${events}?lastEventId=${encodeURIComponent(position)}`);
        stream.onerror = onError;
        for (const name of EVENTS) stream.addEventListener(name, onEvent);
        stream.addEventListener("heartbeat", heard);
        stream.addEventListener("health", onHealth);
        stream.addEventListener("alerts", onAlerts);
        heardAt = Date.now();
    }

    function disconnect() {
        stream?.close();
        stream = null;
        isConnected = false;
    }

    function checkSilence() {
        if (!stream || document.hidden || Date.now() - heardAt < MAX_SILENCE) return;
        // A stream that never opened has not fallen silent: the page polls meanwhile.
        if (isConnected) failedAt ??= Date.now();
        disconnect();
        show();
        connect();
    }

    function onError() {
        // A lost stream may mean that the server is down; the next poll finds out.
        if (isConnected) failedAt ??= Date.now();
        isConnected = false;
        show();
        // EventSource reconnects by itself, except after an answer that is not an event stream.
        if (stream?.readyState !== EventSource.CLOSED) return;
        disconnect();
        setTimeout(connect, RECONNECT);
    }

    // ---- Polling

    function poll() {
        const hasFailed = failedAt !== null;
        if (document.hidden) return;
        for (const region of regions()) {
            if (isConnected && !hasFailed && !region.dataset.always) continue;
            const seconds = hasFailed ? RETRY_SECONDS : Number(region.dataset.poll);
            if (!seconds || (region.dataset.active === "false" && !hasFailed)) continue;
            if (Date.now() - refreshOf(region).last >= seconds * 1000) refresh(region);
        }
    }

    // While all is well the label shows nothing, and neither does it while the page is still connecting.
    function show() {
        const label = document.getElementById("live-state");
        if (!label) return;
        const state = failedAt !== null ? "lost" : isConnected ? "live" : "polling";
        const isTrouble = document.getElementById("health")?.hasAttribute("data-urgent") ?? false;
        const { textLost, textTrouble, textPolling } = label.dataset;
        label.dataset.state = state;
        label.toggleAttribute("data-trouble", isTrouble);
        label.toggleAttribute("data-early", state === "polling" && Date.now() - loadedAt < CONNECTING);
        label.querySelector("span").textContent = { lost: textLost, live: textTrouble, polling: textPolling }[state];
        label.querySelector("time").hidden = state === "live";
        document.documentElement.classList.toggle("is-stale", state === "lost");
        const note = document.getElementById("stale");
        if (note) note.hidden = state !== "lost";
        for (const time of document.querySelectorAll("#live-state time, #stale time")) time.dateTime = new Date(updatedAt).toISOString();
        document.dispatchEvent(new Event("times"));
    }

    document.addEventListener("htmx:configRequest", ({ detail }) => {
        // A list that somebody asked for may take longer; the browser would have waited too.
        if (detail.verb === "get" && !("X-List" in detail.headers)) detail.timeout ||= MAX_WAIT;
    });
    // Another list may have taken the place of the rows while their refresh was on its way.
    document.addEventListener("htmx:beforeSwap", ({ detail }) => {
        const region = detail.requestConfig?.elt;
        if (!region?.matches?.("[data-live]") || detail.requestConfig.path === region.getAttribute("hx-get")) return;
        detail.shouldSwap = false;
        refresh(region);
    });
    // A list that was read before the newest refresh of its region shows older rows.
    document.addEventListener("listed", ({ detail }) => {
        for (const region of document.querySelectorAll("#list [data-live]")) if (refreshOf(region).last >= detail.since) refresh(region);
    });
    // When something stops or starts answering, what the page shows of it is refreshed after the problems themselves.
    document.addEventListener("htmx:afterSettle", () => {
        const strip = document.getElementById("part-attention");
        if (strip) showAlerts(Number(strip.dataset.attention), Number(strip.dataset.critical));
        announceNew();
        const region = document.getElementById("health");
        if (!region || region.dataset.version === healthVersion) return;
        healthVersion = region.dataset.version;
        show();
        for (const each of regions()) if (each !== region) refresh(each, true);
    });

    document.addEventListener("htmx:afterRequest", ({ detail }) => {
        if (!detail.elt.matches?.("[data-live]")) return;
        if (detail.successful) {
            failedAt = null;
            updatedAt = Date.now();
        } else if (detail.xhr?.status === 0 || detail.xhr?.status >= 500) {
            failedAt ??= Date.now();
        }
        show();
    });
    document.addEventListener("visibilitychange", () => {
        if (document.hidden) return disconnect();
        connect();
        show();
        for (const region of regions()) if (refreshOf(region).isDue || !isConnected) refresh(region);
    });
    // The result of a person's own action shows at once, with or without a stream.
    document.addEventListener("changed", () => regions().forEach((region) => refresh(region, true)));
    document.addEventListener("DOMContentLoaded", () => {
        healthVersion = document.getElementById("health")?.dataset.version ?? "";
        announceNew();
        show();
        connect();
    });
    setInterval(() => { checkSilence(); poll(); if (!isConnected) show(); }, 1000);
})();
