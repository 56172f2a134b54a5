"use strict";
/* Draws each visible <canvas data-chart="ID"> with Chart.js, which is loaded when one is, from the JSON in the hidden element with that ID:
   {type, labels, step, series: [{name, values, color: "good"|"bad"|"run"|"warn"|"off"|"brand"|"ink-2", line?, dashed?}], stacked?, unit?} */
(() => {
    const written = document.documentElement.lang || undefined;
    const language = navigator.languages.find((each) => each.split("-")[0] === written) ?? written;
    const timeZone = document.getElementById("page-data")?.dataset.timeZone || undefined;
    // Intl writes some languages' numbers otherwise than the rest of the page: this one has 1234.5 as the page writes it.
    const sample = document.getElementById("page-data")?.dataset.number ?? "1,234.5";
    const separators = { group: sample[1], decimal: sample.at(-2) };
    // A phone, which shows no chart, needs no formatter either.
    const once = (make) => {
        let made;
        return () => (made ??= make());
    };
    const figures = once(() => new Intl.NumberFormat(language, { maximumFractionDigits: 3, useGrouping: "always" }));
    const number = (value) => figures().formatToParts(value).map((part) => separators[part.type] ?? part.value).join("");
    const { library } = document.currentScript.dataset;
    const hour = once(() => new Intl.DateTimeFormat(language, { month: "short", day: "numeric", hour: "numeric", timeZone }));
    const day = once(() => new Intl.DateTimeFormat(language, { month: "short", day: "numeric", timeZone: "UTC" }));

    function color(name) {
        // A custom property still says light-dark(); the computed color of an element doesn't.
        const probe = document.body.appendChild(document.createElement("i"));
        probe.className = `probe-${name}`;
        const value = getComputedStyle(probe).color;
        probe.remove();
        return value;
    }

    function label(text, step) {
        return step === "hour" ? hour().format(new Date(text)) : step === "day" ? day().format(new Date(text)) : text;
    }

    function draw(canvas) {
        const source = document.getElementById(canvas.dataset.chart);
        if (!source) return;
        const chart = JSON.parse(source.textContent);
        const ink = color("ink-2"), line = color("line");
        const data = {
            labels: chart.labels.map((text) => label(text, chart.step)),
            datasets: chart.series.map((each) => ({
                label: each.name, data: each.values, type: each.line ? "line" : chart.type,
                backgroundColor: color(each.color), borderColor: color(each.color), borderWidth: each.line ? 2 : 0,
                pointRadius: each.line && !each.dashed ? 2 : 0, pointHitRadius: 8, borderRadius: 2, pointStyle: each.dashed ? "line" : "rect", borderDash: each.dashed ? [5, 4] : [],
            })),
        };
        const existing = Chart.getChart(canvas);
        if (existing) {
            if (existing.$source === source.textContent && existing.$ink === ink) return;
            existing.destroy();
        }
        const drawn = new Chart(canvas, {
            type: chart.type, data,
            options: {
                locale: language, animation: false, responsive: true, maintainAspectRatio: false, interaction: { mode: "index", intersect: false },
                plugins: {
                    legend: { position: "bottom", align: "start", labels: { color: ink, boxWidth: 9, boxHeight: 9, usePointStyle: true, font: { size: 11 } } },
                    tooltip: { callbacks: { label: (item) => `${item.dataset.label}: ${item.raw === null ? "—" : number(item.raw)}${chart.unit ? ` ${chart.unit}` : ""}` } },
                },
                scales: {
                    x: { stacked: !!chart.stacked, grid: { display: false }, border: { color: line }, ticks: { color: ink, maxRotation: 0, autoSkipPadding: 14, font: { size: 11 } } },
                    y: { stacked: !!chart.stacked, beginAtZero: true, grid: { color: line }, border: { display: false }, ticks: { color: ink, precision: chart.unit ? undefined : 0, maxTicksLimit: 6,
                        callback: (value) => chart.unit ? `${number(value)} ${chart.unit}` : number(value), font: { size: 11 } } },
                },
            },
        });
        drawn.$source = source.textContent;
        drawn.$ink = ink;
    }
    // A phone has its charts folded, and need not load what draws them.
    const isShown = (canvas) => canvas.checkVisibility?.() ?? true;
    function drawAll() {
        const shown = [...document.querySelectorAll("canvas[data-chart]")].filter(isShown);
        if (window.Chart) shown.forEach(draw);
        else if (shown.length && !document.getElementById("chart-library"))
            document.head.append(Object.assign(document.createElement("script"), { id: "chart-library", src: library, onload: drawAll }));
    }
    document.addEventListener("DOMContentLoaded", drawAll);
    document.addEventListener("htmx:afterSettle", drawAll);
    document.addEventListener("toggle", drawAll, true);
    // Paper is light, whatever the screen is.
    for (const media of ["(prefers-color-scheme: dark)", "print"]) matchMedia(media).addEventListener("change", drawAll);
    new MutationObserver(drawAll).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
})();
