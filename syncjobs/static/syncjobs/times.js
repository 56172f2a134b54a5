"use strict";
/* Writes every <time data-time="at|ago|countdown|elapsed|day"> in the reader's time zone and language, with the exact instant
   on hover; a day has neither a zone nor an instant. The browser paints nothing before (blocking="render"), so no line changes its length under the reader's eyes. */
(() => {
    // The page's language as the person's browser writes it: en-GB has 24 hours where en-US has 12.
    const written = document.documentElement.lang || undefined;
    const language = navigator.languages.find((each) => each.split("-")[0] === written) ?? written;
    const timeZone = document.getElementById("page-data")?.dataset.timeZone || undefined;
    const dueNow = document.getElementById("page-data")?.dataset.dueNow;
    // Making a formatter takes a phone about 10 ms, and most pages need a few of them.
    const made = (options) => {
        let formatter;
        return { format: (at) => (formatter ??= new Intl.DateTimeFormat(language, options)).format(at) };
    };
    const format = (options) => made({ timeZone, ...options });
    const minutes = { hour: "numeric", minute: "2-digit" }, days = { month: "short", day: "numeric" };
    const clock = format(minutes);
    const sameDay = format({ ...minutes, second: "2-digit" });
    const otherDay = format({ ...days, ...minutes });
    const otherYear = format({ year: "numeric", ...days, ...minutes });
    const exact = format({ dateStyle: "full", timeStyle: "long" });
    const date = format({ dateStyle: "short" });
    const year = format({ year: "numeric" });
    let today = {}; // the day and the year of the second that was asked for last
    function formatOf(at, now) {
        const second = Math.floor(now / 1000);
        if (today.second !== second) today = { second, day: date.format(now), year: year.format(now) };
        return date.format(at) === today.day ? sameDay : year.format(at) === today.year ? otherDay : otherYear;
    }
    const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" });

    function ago(at) {
        const seconds = (at - Date.now()) / 1000;
        for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]])
            if (Math.abs(seconds) >= size) return relative.format(Math.trunc(seconds / size), unit);
        return relative.format(Math.trunc(seconds), "second");
    }
    function duration(milliseconds) {
        const seconds = Math.max(0, Math.round(milliseconds / 1000));
        const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
        if (h > 47) return `${Math.floor(h / 24)} d ${h % 24} h`;
        return h ? `${h} h ${m} min` : m ? `${m} min ${s} s` : `${s} s`;
    }
    function write(time) {
        if (!time.dateTime) return;
        const at = new Date(time.dateTime);
        const now = new Date();
        const kinds = { ago: () => ago(at), countdown: () => duration(at - now), elapsed: () => duration(now - at), clock: () => clock.format(at),
            day: () => (at.getUTCFullYear() === now.getFullYear() ? wallDay : wallYear).format(at) };
        // "in 5 s" becomes "due now", until the page knows more
        const isDue = time.dataset.time === "countdown" && at <= now && time.previousElementSibling?.matches(".in-word");
        time.classList.toggle("is-due", Boolean(isDue));
        const text = isDue ? dueNow : (kinds[time.dataset.time] ?? (() => formatOf(at, now).format(at)))();
        if (time.textContent !== text) time.textContent = text;
    }
    // A page has hundreds of times, and a person looks at one of their titles at most.
    document.addEventListener("mouseover", ({ target }) => {
        const time = target.closest?.("time[data-time]:not([data-time=day])");
        if (time?.dateTime) time.title = `${exact.format(new Date(time.dateTime))}\n${time.dateTime}`;
    });
    function writeTimes(root = document, selector = "time[data-time]") {
        root.querySelectorAll(selector).forEach(write);
    }
    for (const name of ["times", "htmx:afterSwap", "htmx:afterSettle"]) document.addEventListener(name, () => writeTimes());
    setInterval(() => document.hidden || writeTimes(document, "time[data-time]:not([data-time=at], [data-time=clock], [data-time=day])"), 1000);

    // Sentences of the server name instants in UTC. Toasts need it too.
    function inLocalTime(sentence) {
        return sentence.replace(/\b(\d{4}-\d\d-\d\d) (\d\d:\d\d(?::\d\d)?) UTC/g, (written, day, time) => {
            const at = new Date(`${day}T${time}Z`);
            return isNaN(at) ? written : formatOf(at, new Date()).format(at);
        });
    }
    window.inLocalTime = inLocalTime;

    // Sentences about schedules name times of the day in a zone of their own: only the language is the reader's.
    const wall = (options) => made({ timeZone: "UTC", ...options });
    const wallClock = wall(minutes), wallTime = wall({ ...days, ...minutes }), wallDay = wall(days), wallYear = wall({ year: "numeric", ...days });
    const inWords = (sentence) => sentence.replace(/\b(?:(\d{4}-\d\d-\d\d) )?(\d\d:\d\d)\b/g, (written, day, time) => {
        const at = new Date(`${day ?? "2000-01-01"}T${time}Z`);
        return isNaN(at) ? written : (day ? wallTime : wallClock).format(at);
    });
    const rewritten = new WeakMap(); // element → what it says now
    function rewrite(selector, words) {
        document.querySelectorAll(selector).forEach((each) => {
            if (rewritten.get(each) === each.textContent) return;
            const text = words(each.textContent);
            if (text !== each.textContent) each.textContent = text;
            rewritten.set(each, text);
        });
    }
    function writeSentences() {
        rewrite("[data-utc]", inLocalTime);
        rewrite("[data-wall]", inWords);
    }
    document.addEventListener("htmx:afterSettle", writeSentences);
    writeTimes();
    writeSentences();
})();
