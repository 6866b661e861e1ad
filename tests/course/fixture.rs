//! A small checkout, made up for one test, and the program run in it.

use netkata::course::Catalogue;
use netkata::course::state::{Verdict, record};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const LESSON: &str = "\
# Chapter 3 · Tides over TCP

First: `cargo run --bin tide_server`.

## Your turn

### `tide_gauge`
### `ebb_bytes`

## Hints

### `tide_gauge`
<details><summary>A nudge</summary>

Who speaks **first**?
</details>
<details><summary>The call</summary>

See `write_all`.
</details>
<details><summary>An outline</summary>

```rust
stream.write_all(&height)?;
```
</details>

### `ebb_bytes`
<details><summary>A nudge</summary>Two digits an octet.</details>
";

const GAUGE: &str = "\
//! Tells how high the tide stands.
//!
//! The server speaks first: four octets, then it closes.

fn main() {
    // step 1: write the height
    // as four octets
    println!(\"4\");
    // end of step 1
}
";

const EBB: &str = "# What the gauge sends at ebb.\n00 00 {{00 04}}\n";

/// Stands in for cargo: says how it was called, and ends as the test wants. A graded checkout would have to build.
const CARGO: &str = "\
#!/bin/sh
echo \"called: $*\"
case \"$*\" in
*--list*) echo 'ch03::tide_gauge::speaks_first: test' | grep -e \"$(echo \"$*\" | sed 's/.*--list //')\" ;;
esac
[ -z \"$CARGO_WRITES\" ] || cp \"$CARGO_WRITES\" .netkata.json
exit ${CARGO_ENDS:-0}
";

/// The checkout. It is removed when the test ends.
pub(crate) struct Checkout(tempfile::TempDir);

/// How a run of the program ended.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Checkout {
    /// A chapter with two exercises, untouched, and a program.
    pub(crate) fn new() -> Self {
        let checkout = Self(tempfile::tempdir().expect("tempdir"));
        checkout.write("Cargo.toml", "[package]\nname = \"netkata\"\nversion = \"0.1.0\"\n");
        checkout.write("lessons/03-tides/README.md", LESSON);
        checkout.write("bin/ch03/tide_server.rs", "//! Serves the tide table.\n");
        checkout.write("tests/solutions/ch03/tide_gauge.rs", GAUGE);
        checkout.write("tests/solutions/ch03/ebb_bytes.hex", EBB);
        checkout.write("cargo", CARGO);
        fs::set_permissions(checkout.path("cargo"), fs::Permissions::from_mode(0o755)).expect("chmod");
        for exercise in checkout.catalogue().exercises() {
            let stub = netkata::course::stub::of(exercise).expect("stub");
            fs::write(checkout.path(&exercise.file), stub).expect("write");
        }
        checkout
    }

    pub(crate) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(relative)
    }

    pub(crate) fn write(&self, relative: &str, text: &str) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().expect("parent")).expect("mkdir");
        fs::write(path, text).expect("write");
    }

    pub(crate) fn read(&self, relative: &str) -> String {
        fs::read_to_string(self.path(relative)).expect(relative)
    }

    pub(crate) fn catalogue(&self) -> Catalogue {
        Catalogue::read(self.0.path()).expect("catalogue")
    }

    /// As the grader does.
    pub(crate) fn record(&self, id: &str, verdict: Verdict) {
        record(self.0.path(), id, verdict).expect("record");
    }

    /// The program, set up to run in the checkout with the stand-in for cargo.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_netkata"));
        command.args(args).current_dir(self.0.path()).stdin(Stdio::null());
        command.env_remove("CARGO_MANIFEST_DIR").env("CARGO", self.path("cargo"));
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        ran(&mut self.command(args))
    }
}

pub(crate) fn ran(command: &mut Command) -> Ran {
    let output = command.output().expect("run");
    let text = |octets: Vec<u8>| String::from_utf8(octets).expect("UTF-8");
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

impl Ran {
    /// Standard output of a run that went well.
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        self.out
    }

    /// The one line of a run that failed.
    pub(crate) fn error(self) -> String {
        assert_eq!((self.code, self.err.lines().count()), (Some(1), 1), "{}{}", self.out, self.err);
        self.err.strip_prefix("error: ").expect("error: first").trim_end().to_string()
    }
}
