//! How a run looks in a page.

use super::Run;

/// A fenced block for each terminal, with a caption when there are several.
pub fn blocks(run: &Run) -> String {
    if run.hidden {
        return String::new();
    }
    let mut out = String::from("\n");
    for (number, (name, screen)) in run.terminals.iter().enumerate() {
        if run.terminals.len() > 1 {
            out.push_str(&format!("*Terminal {}, {name}:*\n\n", number + 1));
        }
        out.push_str(&fenced("console", screen));
    }
    out
}

/// A fence that nothing in the text can end, and an empty line after it.
pub fn fenced(language: &str, text: &str) -> String {
    let mut fence = "```".to_string();
    while text.contains(&fence) {
        fence.push('`');
    }
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    format!("{fence}{language}\n{}\n{fence}\n\n", lines.join("\n").trim_end())
}
