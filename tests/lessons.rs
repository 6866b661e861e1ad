//! Nothing in a lesson can rot: code, output, pictures and numbers in the pages equal the programs.
//!
//! A page holds marks, HTML comments that no reader sees, and after each what was generated from it. Every block is a
//! trial of its own: it makes the text anew and fails when the page says something else. `SYNC=1` (`make sync`) writes
//! the new text into the page instead. How to write each mark stands at the top of its module:
//!
//! | mark | module | what comes after it |
//! |---|---|---|
//! | `<!-- code: bin/ch03/listen.rs#bind -->` | `excerpt` | a part of a source file |
//! | `<!-- session: echo …` | `session` | what the terminals of a recorded session showed |
//! | `<!-- picture: echo "One client" -->` | `wire` | the same session, drawn |
//! | `<!-- bytes: echo …` | `bytes` | the same session, octet by octet, with named fields |
//! | `<!-- const: bin/ch03/listen.rs BACKLOG -->` | `consts` | a number, inside a sentence |
//!
//! A block ends with `<!-- end -->`, a number with `<!-- /const -->`. The form of the pages is checked by `skeleton`
//! and `links`. A session whose client (`nc`, `ss` …) is not installed is ignored and says so; `REQUIRE_PEERS=1` makes
//! that a failure.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

#[path = "lessons/bytes.rs"]
mod bytes;
#[path = "lessons/consts.rs"]
mod consts;
#[path = "lessons/excerpt.rs"]
mod excerpt;
#[path = "lessons/links.rs"]
mod links;
#[path = "lessons/marks.rs"]
mod marks;
#[path = "lessons/page.rs"]
mod page;
#[path = "lessons/session/mod.rs"]
mod session;
#[path = "lessons/skeleton.rs"]
mod skeleton;
#[path = "lessons/specimen.rs"]
mod specimen;
#[path = "lessons/wire.rs"]
mod wire;

use libtest_mimic::{Arguments, Trial};
use page::Site;
use std::process::ExitCode;
use std::sync::Arc;

/// What a module checks of itself: a name, and a function that panics when something is wrong.
type SelfCheck = (&'static str, fn());

/// Sessions wait for most of their time.
const SESSIONS_A_CORE: usize = 4;

fn main() -> ExitCode {
    if let Some(done) = session::place::is_binder() {
        return done;
    }
    netkata::sys::inherited::keep_from_children();
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(SESSIONS_A_CORE * std::thread::available_parallelism().map_or(1, |n| n.get()));
    let site = Arc::new(Site::of_this_checkout());
    let mut trials = Vec::new();
    let mut pages = Vec::new();
    for page in page::load_all(&site) {
        match page {
            Ok(page) => {
                trials.extend(page::trials(&page));
                pages.push(page);
            }
            Err(problem) => trials.push(Trial::test("lessons::read", move || Err(problem.into()))),
        }
    }
    trials.push(excerpt::regions_trial(&site, &pages));
    for (module, checks) in [
        ("marks", marks::SELF_CHECKS),
        ("excerpt", excerpt::SELF_CHECKS),
        ("consts", consts::SELF_CHECKS),
        ("skeleton", skeleton::SELF_CHECKS),
        ("links", links::SELF_CHECKS),
        ("wire", wire::SELF_CHECKS),
        ("bytes", bytes::SELF_CHECKS),
        ("programs", session::programs::SELF_CHECKS),
        ("script", session::script::SELF_CHECKS),
        ("normalise", session::normalise::SELF_CHECKS),
        ("place", session::place::SELF_CHECKS),
        ("run", session::run::SELF_CHECKS),
        ("specimen", specimen::SELF_CHECKS),
    ] {
        trials.extend(checks.iter().map(|&(name, check)| {
            Trial::test(format!("lessons::{module}::{name}"), move || {
                check();
                Ok(())
            })
        }));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
