"""What a person who hears a page, or enlarges it, can't tell apart or find."""

from __future__ import annotations

UNCLEAR = """() => {
    const found = [], words = (element) => (element.ariaLabel ?? element.textContent).trim().replace(/\\s+/g, " ");
    const nameless = "main table:not(:has(caption), [aria-label], [aria-labelledby], #result_list)";
    for (const table of document.querySelectorAll(nameless)) found.push(`table without a name: ${table.className}`);
    const targets = new Map();
    for (const button of document.querySelectorAll("main :is(a.btn, button.btn)")) {
        const name = `${words(button)} ${button.getAttribute("aria-describedby") ?? ""}`;
        const target = button.href ?? `${button.formAction} ${button.name} ${button.value}`;
        if (!words(button)) found.push(`button without a name: ${target}`);
        if (button.checkVisibility() && (targets.get(name) ?? target) !== target) found.push(`several buttons “${name}”: ${target}`);
        targets.set(name, target);
    }
    for (const link of document.querySelectorAll("main a[href]:not(nav *, .pages *, .paginator *, [aria-describedby])"))
        if (/^[\\d.,]+$/.test(words(link))) found.push(`a figure without a name: ${link.href}`);
    const live = ":is([aria-live], [role=status], [role=alert])", ticking = "time:not([data-time=at], [data-time=clock], [data-time=day])";
    for (const time of document.querySelectorAll(`${live} ${ticking}`))
        if (time.closest("[aria-live]")?.getAttribute("aria-live") !== "off") found.push(`read every second: ${time.outerHTML}`);
    return found;
}"""
"""Tables and buttons without a name of their own, links that are only a figure, and times in regions that are read when they change."""

UNSEEN = """() => [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']")]
    .filter((each) => each.checkVisibility({ visibilityProperty: true }) && !each.disabled && !each.matches(".skip-to-content-link"))
    .filter((each) => {
        const box = each.getClientRects()[0];
        const isClipped = (parent) => parent && (getComputedStyle(parent).clipPath !== "none" || isClipped(parent.parentElement));
        return box && (box.width < 8 || box.height < 8 || isClipped(each) || (box.right > innerWidth + 1 && !each.closest(".table-wrap, .results")));
    })
    .map((each) => each.outerHTML.slice(0, 100))"""
"""What gets the focus though nobody sees it."""

CUT = """() => {
    const isClipped = (element) => element && (getComputedStyle(element).clipPath !== "none" || isClipped(element.parentElement));
    return [...document.querySelectorAll("body *:not(select, option, input, textarea, progress, canvas, svg, svg *)")]
        .filter((each) => each.clientWidth && each.checkVisibility({ visibilityProperty: true }) && !isClipped(each))
        .filter((each) => {
            const style = getComputedStyle(each), isWider = each.scrollWidth > each.clientWidth + 1;
            const hides = /hidden|clip/.test(style.overflowX), isShort = style.textOverflow === "ellipsis" || style.webkitLineClamp !== "none";
            if (!hides) return isWider && style.overflowX === "visible" && each.matches(".table :is(th, td)");
            if (!isShort) return isWider;
            return (isWider || each.scrollHeight > each.clientHeight + 1) && !each.matches("a[href]") && !each.closest("[title]");
        })
        .map((each) => `${each.outerHTML.slice(0, 80)}: ${each.textContent.trim().slice(0, 40)}`);
}"""
"""Text that is cut: without an ellipsis, or without a title or a link that leads to all of it. Also cells that run into the next."""
