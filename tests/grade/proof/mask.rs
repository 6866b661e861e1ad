//! What two runs of one failure have in common.

use netkata_kit::scene::inputs::PREFIX;

/// Without what differs from run to run: names of temporary folders and sockets; ports, and how much the kernels hold
/// between two programs, both numbers of four digits and more; times, `80ms` or `1.5s`; and the line at which a mutant
/// panics, which moves when something is written above it.
pub fn mask(message: &str) -> String {
    let named = mask_names(message);
    let is_digit = |c: char| c.is_ascii_digit() || c == ',';
    let mut out = String::new();
    let mut rest = named.as_str();
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, number) = rest.split_at(start);
        out.push_str(before);
        let end = number.find(|c| !is_digit(c)).unwrap_or(number.len());
        rest = &number[end..];
        if out.ends_with(".rs:") {
            // Line and column.
            rest = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ':');
            out.push_str("#: ");
            continue;
        }
        match after_unit(rest) {
            Some(tail) => {
                out.push_str("##s");
                rest = tail;
            }
            None if end < 4 => out.push_str(&number[..end]),
            None => {
                // How long a number is decides how far it stands from the margin.
                out.truncate(out.trim_end_matches(' ').len());
                out.push_str(" ####");
            }
        }
    }
    out + rest
}

/// Where a scene put its folder, and what chance called it: `unix:///tmp/netkata-x3k9ab/1.sock` is `unix:TEMPORARY/1.sock`.
fn mask_names(message: &str) -> String {
    let mut parts = message.split(PREFIX);
    let mut out = parts.next().unwrap_or_default().to_string();
    for part in parts {
        // The path before it, which is the system's temporary folder, goes too.
        let path = |c: char| c.is_alphanumeric() || "/_-.+".contains(c);
        out.truncate(out.trim_end_matches(path).len());
        out.push_str("TEMPORARY");
        out.push_str(part.trim_start_matches(|c: char| c.is_ascii_alphanumeric()));
    }
    out
}

/// What follows the unit of time (and the fraction before it) at the start of `text`, if there is one.
fn after_unit(text: &str) -> Option<&str> {
    let unit =
        text.strip_prefix('.').map_or(text, |fraction| fraction.trim_start_matches(|c: char| c.is_ascii_digit()));
    let tail = ["ns", "µs", "ms", "s"].iter().find_map(|name| unit.strip_prefix(name))?;
    (!tail.starts_with(char::is_alphanumeric)).then_some(tail)
}

/// Without the octets that were sent, and what is quoted of them: of a program whose answers are the time of day, or the names of
/// the people at this machine.
pub fn mask_sent(message: &str) -> String {
    let mask_line = |line: &str| {
        for arrow in ["← ", "→ "] {
            if let Some((who, what)) = line.split_once(arrow)
                && what.contains(" octet")
            {
                return format!("{who}{arrow}octets\n");
            }
        }
        let words = line.trim_start();
        if words.starts_with("expected ") || words.starts_with("got ") {
            return format!("{}\n", mask_quoted(line));
        }
        format!("{line}\n")
    };
    message.lines().map(mask_line).collect()
}

/// With the lines of each conversation together, where several follow each other: between two conversations, chance decides
/// which line is seen first.
pub fn by_conversation(message: &str) -> String {
    let label = |line: &str| {
        let (name, rest) = line.trim_start().split_once(' ')?;
        let is_label = name.len() <= 2 && name.chars().all(|c| c.is_ascii_uppercase());
        (is_label && rest.starts_with(['→', '←', '('])).then(|| name.to_owned())
    };
    let lines: Vec<_> = message.lines().map(|line| (label(line), line)).collect();
    let runs = lines.chunk_by(|(a, _), (b, _)| a.is_some() && b.is_some());
    let sorted = runs.flat_map(|run| {
        let mut run = run.to_vec();
        run.sort_by(|(a, _), (b, _)| a.cmp(b));
        run
    });
    sorted.map(|(_, line)| format!("{line}\n")).collect()
}

/// `"#"` for what stands between quotation marks.
fn mask_quoted(line: &str) -> String {
    let parts: Vec<&str> = line.split('"').collect();
    let masked: Vec<&str> = parts.iter().enumerate().map(|(i, part)| if i % 2 == 1 { "#" } else { *part }).collect();
    masked.join("\"")
}
