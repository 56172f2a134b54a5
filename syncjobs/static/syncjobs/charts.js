"use strict";
/* Draws <canvas data-chart> by Chart.js from the JSON in the hidden element that its data-chart names:
   {type, labels, series: [{name, values, colour: "good"|"bad"|"run"|"warn"|"off", line?}], stacked?, unit?} */
(() => {
    const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
    const resolved = (name) => {
        // light-dark() is resolved by asking an element, not the variable.
        const probe = document.body.appendChild(document.createElement("i"));
        probe.className = `probe-${name}`;
        const value = getComputedStyle(probe).color;
        probe.remove();
        return value || colour(name);
    };
    const zone = new Intl.DateTimeFormat(document.documentElement.lang || undefined, { month: "short", day: "numeric", hour: "2-digit" });
    const day = new Intl.DateTimeFormat(document.documentElement.lang || undefined, { month: "short", day: "numeric", timeZone: "UTC" });

    function label(text, step) {
        return step === "hour" ? zone.format(new Date(text)) : step === "day" ? day.format(new Date(text)) : text;
    }

    function draw(canvas) {
        const source = document.getElementById(canvas.dataset.chart);
        if (!source) return;
        const told = JSON.parse(source.textContent);
        const ink = resolved("ink-2"), line = resolved("line");
        const data = {
            labels: told.labels.map((text) => label(text, told.step)),
            datasets: told.series.map((each) => ({
                label: each.name, data: each.values, type: each.line ? "line" : told.type,
                backgroundColor: resolved(each.colour), borderColor: resolved(each.colour), borderWidth: each.line ? 2 : 0,
                pointRadius: each.line && !each.dashed ? 2 : 0, pointHitRadius: 8, tension: .25, borderRadius: 2, borderDash: each.dashed ? [5, 4] : [],
            })),
        };
        const existing = Chart.getChart(canvas);
        if (existing) {
            if (existing.$source === source.textContent && existing.$ink === ink) return;
            existing.destroy();
        }
        const chart = new Chart(canvas, {
            type: told.type, data,
            options: {
                animation: false, responsive: true, maintainAspectRatio: false, interaction: { mode: "index", intersect: false },
                plugins: {
                    legend: { position: "bottom", align: "start", labels: { color: ink, boxWidth: 10, boxHeight: 10, font: { size: 11 } } },
                    tooltip: { callbacks: { label: (item) => `${item.dataset.label}: ${item.formattedValue}${told.unit ? ` ${told.unit}` : ""}` } },
                },
                scales: {
                    x: { stacked: !!told.stacked, grid: { display: false }, border: { color: line }, ticks: { color: ink, maxRotation: 0, autoSkipPadding: 14, font: { size: 11 } } },
                    y: { stacked: !!told.stacked, beginAtZero: true, grid: { color: line }, border: { display: false }, ticks: { color: ink, precision: told.unit ? undefined : 0, maxTicksLimit: 6, font: { size: 11 } } },
                },
            },
        });
        chart.$source = source.textContent;
        chart.$ink = ink;
    }
    const drawAll = () => document.querySelectorAll("canvas[data-chart]").forEach(draw);
    document.addEventListener("DOMContentLoaded", drawAll);
    document.addEventListener("htmx:afterSettle", drawAll);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
    new MutationObserver(drawAll).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
})();
