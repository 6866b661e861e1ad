//! A small book in a folder of its own: written by `SYNC=1`, found right, then spoilt in every way that counts.

use crate::SelfCheck;
use crate::page::{self, Page, Site};
use libtest_mimic::Completion;
use std::fs;
use std::path::Path;
use std::sync::Arc;

const PAGE: &str = r#"# Tides

<!-- code: tide.rs#next -->
<!-- end -->

The tide turns every <!-- const: tide.rs TURN -->?<!-- /const -->.

<!-- session: harbour
mask: at {12}:{30}
pilot$ cat
pilot< ahoy
pilot> ahoy
pilot eof
pilot exit 0
pilot$ printf 'high water at 07:41 '; printf 'ship> '; read ship; echo "$ship to 127.0.0.1:$((43000 + 210))"
pilot? high water at 07:41 ship>
pilot< Anna
pilot> Anna to *
pilot exit 0
-->
<!-- end -->

<!-- session: stopped
watch$ cat
watch< still
watch> still
watch signal INT
watch exit INT
-->
<!-- end -->
"#;

const SYNCED: &str = r#"# Tides

<!-- code: tide.rs#next -->

From [`tide.rs`](../../tide.rs):

```rust
fn next() {}
```

<!-- end -->

The tide turns every <!-- const: tide.rs TURN -->6 hours<!-- /const -->.

<!-- session: harbour
mask: at {12}:{30}
pilot$ cat
pilot< ahoy
pilot> ahoy
pilot eof
pilot exit 0
pilot$ printf 'high water at 07:41 '; printf 'ship> '; read ship; echo "$ship to 127.0.0.1:$((43000 + 210))"
pilot? high water at 07:41 ship>
pilot< Anna
pilot> Anna to *
pilot exit 0
-->

```console
$ cat
ahoy
ahoy
^D
$ printf 'high water at 07:41 '; printf 'ship> '; read ship; echo "$ship to 127.0.0.1:$((43000 + 210))"
high water at 12:30 ship> Anna
Anna to 127.0.0.1:50001
```

<!-- end -->

<!-- session: stopped
watch$ cat
watch< still
watch> still
watch signal INT
watch exit INT
-->

```console
$ cat
still
still
^C
```

<!-- end -->
"#;

const SOURCE: &str = "const TURN: Duration = Duration::from_hours(6);\n// [next]\nfn next() {}\n// [/next]\n";

const TAPPED: &str = r#"# Echo

<!-- picture: echo "A pilot and an echo" -->
<!-- end -->

<!-- bytes: echo
client 0..4 the call
-->
<!-- end -->

<!-- session: echo
hidden
server$ cargo run -q --bin echo_server
server> listening on tcp://127.0.0.1:7007
pilot$ cargo run -q --bin echo_client -- 127.0.0.1:7007
pilot? >>
pilot< ahoy
pilot> *ahoy
pilot? >>
pilot eof
pilot exit 0
server signal INT
server exit 0
-->
<!-- end -->
"#;

const SOCKET_FILE: &str = r#"# Echo

<!-- picture: file "A pilot and a socket file" -->
<!-- end -->

<!-- session: file
folder: temp
server$ cargo run -q --bin unix_echo_server -- harbour.sock
server> listening on unix://harbour.sock
pilot$ cargo run -q --bin unix_echo_client -- harbour.sock --greeting ahoy --every 1h
pilot> *ahoy
pilot signal INT
pilot exit 0
server signal INT
server exit 0
-->
<!-- end -->
"#;

const FICKLE: &str = "<!-- session: pid\nsh$ echo pid $$\nsh exit 0\n-->\n<!-- end -->\n";

struct Book {
    folder: tempfile::TempDir,
}

impl Book {
    fn new(page: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("lessons/01-tides")).unwrap();
        fs::write(folder.path().join("tide.rs"), SOURCE).unwrap();
        let book = Self { folder };
        fs::write(book.path(), page).unwrap();
        book
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("lessons/01-tides/README.md")
    }

    /// Checks every mark; the messages of those that fail, and the page afterwards.
    fn check(&self, sync: bool) -> (Vec<String>, String) {
        let root = self.folder.path().to_path_buf();
        let programs = Path::new(env!("CARGO_BIN_EXE_netkata")).parent().unwrap().to_path_buf();
        let site = Arc::new(Site { root, programs, sync, require_peers: true });
        let page = Page::load(&site, self.path()).unwrap();
        let failed = |at| match page::check(&page, at) {
            Ok(Completion::Completed) => None,
            Ok(Completion::Ignored { reason }) => Some(format!("ignored: {reason:?}")),
            Err(e) => Some(e.message().unwrap_or_default().to_string()),
        };
        let failures = (0..page.marks.len()).filter_map(failed).collect();
        (failures, fs::read_to_string(self.path()).unwrap())
    }
}

/// The one message of a page that is wrong in one place.
fn only_failure(page: &str) -> String {
    let (failures, after) = Book::new(page).check(false);
    assert_eq!(after, page, "without SYNC=1 a page is left alone");
    assert_eq!(failures.len(), 1, "{failures:?}");
    failures.into_iter().next().unwrap()
}

pub const SELF_CHECKS: &[SelfCheck] = &[
    ("sync_writes_the_page_and_the_page_stays", || {
        let book = Book::new(PAGE);
        let (failures, synced) = book.check(true);
        assert_eq!(failures, [""; 0]);
        assert_eq!(synced, SYNCED);
        assert_eq!(book.check(false), (Vec::new(), SYNCED.to_string()));
    }),
    ("tapped_sessions_are_drawn", || {
        let book = Book::new(TAPPED);
        let (failures, synced) = book.check(true);
        assert_eq!(failures, [""; 0]);
        assert!(
            synced.contains("![A pilot and an echo](wire/echo.svg)") && synced.contains("1  octets 0 to 3  the call")
        );
        assert_eq!(book.check(false).0, [""; 0]);
        let wire = |file: &str| book.path().with_file_name("wire").join(file);
        let told = fs::read_to_string(wire("echo.txt")).unwrap();
        assert!(
            told.starts_with("pilot connects to server\npilot -> server, 5 octets\n0000  61 68 6f 79 0a"),
            "{told}"
        );
        fs::write(wire("echo.svg"), "<svg/>").unwrap();
        let (failures, _) = book.check(false);
        assert!(matches!(&failures[..], [e] if e.contains("wire/echo.svg: differs")), "{failures:?}");
    }),
    ("socket_files_are_tapped", || {
        let book = Book::new(SOCKET_FILE);
        assert_eq!(book.check(true).0, [""; 0]);
        let told = fs::read_to_string(book.path().with_file_name("wire").join("file.txt")).unwrap();
        assert!(told.starts_with("pilot connects to server\npilot -> server, "), "{told}");
        assert!(told.ends_with("server will send no more (end of file)\n"), "{told}");
        let untapped = SOCKET_FILE.replace("folder: temp", "folder: temp\nuntapped: server");
        let (failures, _) = Book::new(&untapped).check(true);
        assert!(matches!(&failures[..], [e] if e.contains("nobody connected")), "{failures:?}");
        let (failures, _) = Book::new(&SOCKET_FILE.replace("folder: temp\n", "")).check(true);
        assert!(failures.iter().all(|e| e.contains("folder: temp")) && !failures.is_empty(), "{failures:?}");
    }),
    ("sync_refuses_what_changes_from_run_to_run", || {
        let (failures, _) = Book::new(FICKLE).check(true);
        assert!(
            matches!(&failures[..], [e] if e.contains("not the same each time") && e.contains("+")),
            "{failures:?}"
        );
    }),
    ("drift_is_shown", || {
        let e = only_failure(&SYNCED.replace("still\n^C", "quiet\n^C"));
        assert!(
            e.contains("README.md:41: differs") && e.contains("-quiet\n+still") && e.ends_with("run `make sync`"),
            "{e}"
        );
        let e = only_failure(&SYNCED.replace("6 hours", "5 hours"));
        assert!(e.contains("-5 hours\n") && e.contains("+6 hours\n"), "{e}");
        let e = only_failure(&SYNCED.replace("```rust\nfn", "```rust\npub fn"));
        assert!(e.contains("-pub fn next() {}\n+fn next() {}\n"), "{e}");
    }),
    ("what_goes_wrong_is_told", || {
        let e = only_failure(&SYNCED.replace("watch exit INT", "watch exit 0"));
        assert!(e.contains("session stopped: line 46: watch exit 0: ended with signal: 2"), "{e}");
        let impatient = SYNCED.replace("session: stopped\n", "session: stopped\ndeadline: 300ms\n");
        let e = only_failure(&impatient.replace("watch> still", "watch> silent"));
        assert!(
            e.contains("line 45: watch> silent: not within") && e.contains("watch showed") && e.contains("still"),
            "{e}"
        );
        let e = only_failure(&SYNCED.replace("watch$ cat", "watch$ cargo run --bin no_such_ship"));
        assert!(e.contains("there is no program no_such_ship"), "{e}");
        let e = only_failure(&SYNCED.replace("watch$ cat", "watch$ no-such-ship"));
        assert!(e.contains("not installed: no-such-ship"), "{e}");
    }),
];
