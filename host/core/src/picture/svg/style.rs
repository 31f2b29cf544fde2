//! Colours, for light and dark surroundings. Every status and type has a sign of its own too: colour only helps.

/// The types of steps, each with its colour on light and on dark paper.
const KINDS: [(&str, &str, &str); 9] = [
    ("function", "#3867d6", "#7aa2ff"),
    ("condition", "#b26a00", "#f0b45a"),
    ("parallel", "#7048c6", "#b294ff"),
    ("loop", "#7048c6", "#b294ff"),
    ("human", "#0b7d69", "#4fd1b5"),
    ("agent", "#b8327a", "#ff8ac4"),
    ("wait", "#4a6078", "#9fb6cf"),
    ("event", "#4a6078", "#9fb6cf"),
    ("workflow", "#1d7a99", "#63c5e6"),
];

/// The statuses, likewise.
const STATUSES: [(&str, &str, &str); 7] = [
    ("pending", "#7b8594", "#8b96a5"),
    ("running", "#1666d6", "#6aa8ff"),
    ("waiting", "#a86400", "#f2b654"),
    ("completed", "#18794a", "#4ecb8a"),
    ("failed", "#c62f2f", "#ff7b74"),
    ("skipped", "#7b8594", "#8b96a5"),
    ("cancelled", "#7d5a1e", "#d3aa63"),
];

/// What does not depend on colours.
const SHAPE: &str = "text{font-family:ui-sans-serif,system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;\
direction:ltr;unicode-bidi:isolate}\
.h1{font-size:17px;font-weight:650}.h2{font-size:12px}.name{font-size:13px;font-weight:600}\
.small{font-size:11px}.code{font-size:11px;font-family:ui-monospace,'SF Mono',Menlo,Consolas,'DejaVu Sans Mono',monospace}\
.label{font-size:11px;font-weight:600}.strong{font-weight:650}\
.edge{fill:none;stroke-width:1.6}.onError .edge{stroke-dasharray:6 4}.onTimeout .edge{stroke-dasharray:2 4;stroke-linecap:round}\
.frame{stroke-width:1.4;stroke-dasharray:5 5}.box{stroke-width:1.4}\
.sign{fill:none;stroke-width:1.7;stroke-linecap:round;stroke-linejoin:round}.wait{fill:url(#wait)}.off{opacity:.45}.inner.off{opacity:.62}.s-pending .outline,.s-skipped .outline{stroke-dasharray:4 3}";

/// The content of the picture's style element.
pub(super) fn style() -> String {
    format!("{SHAPE}{}@media(prefers-color-scheme:dark){{{}}}", paper(false), paper(true))
}

fn paper(dark: bool) -> String {
    let (bg, ink, muted, surface, line) = if dark {
        ("#12161c", "#e8ecf2", "#a3aebd", "#1b212a", "#3a4452")
    } else {
        ("#ffffff", "#1c2430", "#5b6675", "#ffffff", "#c5cdd8")
    };
    let (edge, frame, error) = if dark { ("#77839a", "#181d25", "#ff7b74") } else { ("#8b95a5", "#f6f7fa", "#c62f2f") };
    let mut css = format!(
        ".bg{{fill:{bg}}}text{{fill:{ink}}}.muted{{fill:{muted}}}.box{{fill:{surface};stroke:{line}}}\
         .frame{{fill:{frame};stroke:{edge}}}.edge{{stroke:{edge}}}.head{{fill:{edge}}}.label{{fill:{muted}}}\
         .plate{{fill:{bg}}}.frames .plate{{fill:{frame}}}.mark{{fill:{surface};stroke:{edge}}}\
         .onError .edge{{stroke:{error}}}.onError .head{{fill:{error}}}.onError .label{{fill:{error}}}\
         .rule{{stroke:{line}}}.hatch{{fill:{line}}}.hatch-ground{{fill:{bg}}}.halo{{paint-order:stroke;stroke:{bg};stroke-width:4px}}"
    );
    for (name, light, other) in KINDS {
        let colour = if dark { other } else { light };
        css.push_str(&format!(".k-{name} .sign{{stroke:{colour}}}.k-{name} .tint{{fill:{colour}}}"));
    }
    for (name, light, other) in STATUSES {
        let colour = if dark { other } else { light };
        css.push_str(&format!(
            ".s-{name} .state{{fill:{colour}}}.s-{name} .outline{{stroke:{colour}}}.s-{name} .cut{{stroke:{bg};fill:none}}"
        ));
    }
    css
}
