"use strict";
/* Suggests bands while she types. Without it the field is plain text, and the server finds out what it means.

   data-combo="URL"        answers ?q= with {"bands": [{"id", "name", "note"}]}
   data-combo-adds="name"  what is picked is added as a ticked box of that name, instead of being the field's value */
(() => {
    const DELAY = 150;
    let serial = 0;
    let timer = null;

    const parts = (input) => {
        const field = input.closest("[data-combo]");
        return { field, list: field.querySelector("[role=listbox]") };
    };

    function equip(input) {
        if (input.getAttribute("role") === "combobox") return;
        const list = document.createElement("ul");
        list.id = `combo-list-${++serial}`;
        list.className = "combo-list";
        list.hidden = true;
        list.setAttribute("role", "listbox");
        list.setAttribute("aria-label", input.labels[0]?.textContent ?? "");
        input.after(list);
        for (const [name, value] of [["role", "combobox"], ["aria-autocomplete", "list"], ["aria-expanded", "false"], ["aria-controls", list.id]])
            input.setAttribute(name, value);
    }

    function close(input) {
        const { list } = parts(input);
        if (!list) return;
        list.hidden = true;
        input.setAttribute("aria-expanded", "false");
        input.removeAttribute("aria-activedescendant");
    }

    async function suggest(input) {
        const { field, list } = parts(input);
        const text = input.value;
        let bands;
        try {
            const answer = await fetch(`${field.dataset.combo}?q=${encodeURIComponent(text)}`, { headers: { "HX-Request": "true" } });
            if (!answer.ok) return;
            ({ bands } = await answer.json());
        } catch { return; }
        if (input.value !== text || document.activeElement !== input) return;
        list.replaceChildren(...bands.map((band, n) => {
            const option = document.createElement("li");
            option.id = `${list.id}-${n}`;
            option.setAttribute("role", "option");
            option.setAttribute("aria-selected", "false");
            option.dataset.id = band.id;
            option.dataset.name = band.name;
            option.textContent = band.name;
            if (band.note) {
                const note = document.createElement("span");
                note.className = "quiet";
                note.textContent = ` ${band.note}`;
                option.append(note);
            }
            return option;
        }));
        if (!bands.length) {
            const none = document.createElement("li");
            none.className = "quiet";
            none.setAttribute("role", "option");
            none.setAttribute("aria-disabled", "true");
            none.textContent = field.dataset.comboNone;
            list.append(none);
        }
        list.hidden = false;
        input.setAttribute("aria-expanded", "true");
        input.removeAttribute("aria-activedescendant");
    }

    function mark(input, step) {
        const { list } = parts(input);
        const options = [...list.querySelectorAll("[data-id]")];
        if (!options.length) return;
        const at = options.findIndex((option) => option.getAttribute("aria-selected") === "true");
        const next = options[(at + step + options.length + (at < 0 && step < 0 ? 1 : 0)) % options.length];
        options.forEach((option) => option.setAttribute("aria-selected", String(option === next)));
        input.setAttribute("aria-activedescendant", next.id);
        next.scrollIntoView({ block: "nearest" });
    }

    function forget(field) {
        field.querySelectorAll("input[type=hidden]").forEach((each) => each.remove());
    }

    function pick(input, option) {
        const { field } = parts(input);
        const { id, name } = option.dataset;
        close(input);
        if (field.dataset.comboAdds) {
            add(field, id, name);
            input.value = "";
            return;
        }
        forget(field);
        const hidden = document.createElement("input");
        hidden.type = "hidden";
        hidden.name = "bandId";
        hidden.value = id;
        field.append(hidden);
        input.value = name;
        // The number says it; the text would be looked up in vain.
        input.removeAttribute("name");
        input.form.requestSubmit();
    }

    function add(field, id, name) {
        const chosen = field.parentElement.querySelector("[data-combo-chosen]");
        let box = chosen.querySelector(`input[value="${CSS.escape(id)}"]`);
        if (!box) {
            const label = document.createElement("label");
            label.className = "check";
            box = document.createElement("input");
            box.type = "checkbox";
            box.name = field.dataset.comboAdds;
            box.value = id;
            const text = document.createElement("span");
            text.textContent = name;
            label.append(box, text);
            chosen.append(label);
        }
        box.checked = true;
        box.dispatchEvent(new Event("change", { bubbles: true }));
    }

    document.addEventListener("focusin", (event) => {
        if (event.target.matches("[data-combo] input[type=text]")) equip(event.target);
    });
    document.addEventListener("input", (event) => {
        const input = event.target;
        if (!input.matches("[data-combo] input[type=text]")) return;
        equip(input);
        if (!parts(input).field.dataset.comboAdds) {
            forget(parts(input).field);
            input.name = "band";
        }
        clearTimeout(timer);
        timer = setTimeout(() => suggest(input), DELAY);
    });
    document.addEventListener("keydown", (event) => {
        const input = event.target;
        if (!input.matches?.("[data-combo] [role=combobox]")) return;
        const { list } = parts(input);
        if (event.key === "ArrowDown" || event.key === "ArrowUp") {
            event.preventDefault();
            if (list.hidden) suggest(input);
            else mark(input, event.key === "ArrowDown" ? 1 : -1);
        } else if (event.key === "Enter" && !list.hidden) {
            const options = [...list.querySelectorAll("[data-id]")];
            const option = options.find((each) => each.getAttribute("aria-selected") === "true") ?? (options.length === 1 ? options[0] : null);
            if (option) {
                event.preventDefault();
                pick(input, option);
            }
        } else if (event.key === "Escape" && !list.hidden) {
            // The list closes, the dialog around it stays.
            event.preventDefault();
            event.stopPropagation();
            close(input);
        }
    }, true);
    document.addEventListener("mousedown", (event) => {
        const option = event.target.closest(".combo-list [data-id]");
        if (!option) return;
        event.preventDefault();
        pick(option.closest("[data-combo]").querySelector("[role=combobox]"), option);
    });
    document.addEventListener("focusout", (event) => {
        if (event.target.matches("[data-combo] [role=combobox]")) close(event.target);
    });
})();
