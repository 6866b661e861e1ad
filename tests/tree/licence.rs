//! Licence expressions, as crates state them (SPDX): `MIT OR Apache-2.0`, `(MIT OR Apache-2.0) AND Unicode-3.0`.

/// Permissive licences: they ask for a notice at most.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];
/// Exceptions that only add permissions.
const EXCEPTIONS: &[&str] = &["LLVM-exception"];

/// Why a crate with this licence may not be used, or `None` when it may.
pub(crate) fn objection(expression: &str) -> Option<String> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ");
    // Before SPDX, crates wrote MIT/Apache-2.0 for a choice.
    let spaced = spaced.replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = &words[..];
    match any_of(&mut rest) {
        Err(why) => Some(why),
        Ok(_) if !rest.is_empty() => Some(format!("{:?} is left over", rest.join(" "))),
        Ok(true) => None,
        Ok(false) => Some("no choice of it is permissive".into()),
    }
}

fn take(rest: &mut &[&str], word: &str) -> bool {
    match rest.split_first() {
        Some((first, tail)) if *first == word => {
            *rest = tail;
            true
        }
        _ => false,
    }
}

/// `a OR b`: we may choose.
fn any_of(rest: &mut &[&str]) -> Result<bool, String> {
    let mut fine = all_of(rest)?;
    while take(rest, "OR") {
        fine |= all_of(rest)?;
    }
    Ok(fine)
}

/// `a AND b`: both bind us. Binds tighter than OR.
fn all_of(rest: &mut &[&str]) -> Result<bool, String> {
    let mut fine = one(rest)?;
    while take(rest, "AND") {
        fine &= one(rest)?;
    }
    Ok(fine)
}

/// A name, a name WITH an exception, or a parenthesis.
fn one(rest: &mut &[&str]) -> Result<bool, String> {
    if take(rest, "(") {
        let fine = any_of(rest)?;
        return if take(rest, ")") { Ok(fine) } else { Err("a parenthesis is not closed".into()) };
    }
    let name = word(rest)?;
    let fine = ALLOWED.contains(&name);
    if take(rest, "WITH") {
        let exception = word(rest)?;
        return Ok(fine && EXCEPTIONS.contains(&exception));
    }
    Ok(fine)
}

fn word<'a>(rest: &mut &[&'a str]) -> Result<&'a str, String> {
    match rest.split_first() {
        Some((first, tail)) if !matches!(*first, "OR" | "AND" | "WITH" | "(" | ")") => {
            *rest = tail;
            Ok(first)
        }
        _ => Err("a licence is missing".into()),
    }
}

#[test]
fn expressions() {
    for fine in [
        "MIT",
        "MIT OR Apache-2.0",
        "Unlicense/MIT",
        "MIT OR Apache-2.0 OR LGPL-2.1-or-later",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception OR GPL-2.0-only",
        "GPL-3.0-only AND MPL-2.0 OR ISC",
    ] {
        assert_eq!(objection(fine), None, "{fine}");
    }
    for (wrong, why) in [
        ("MPL-2.0", "permissive"),
        ("MIT AND GPL-2.0-only", "permissive"),
        ("MIT AND (GPL-2.0-only OR MPL-2.0)", "permissive"),
        ("GPL-2.0-only WITH Classpath-exception-2.0", "permissive"),
        ("MIT WITH Strange-exception", "permissive"),
        ("(MIT OR GPL-2.0-only) AND MPL-2.0", "permissive"),
        ("", "missing"),
        ("MIT OR", "missing"),
        ("(MIT", "not closed"),
        ("MIT Apache-2.0", "left over"),
        ("MIT)", "left over"),
    ] {
        let said = objection(wrong);
        assert!(said.as_ref().is_some_and(|s| s.contains(why)), "{wrong}: {said:?}");
    }
}
