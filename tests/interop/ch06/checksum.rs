//! `sha512_256sum` beside shasum and openssl: each prints what the others check.

use super::public_folder::PublicFolder;
use crate::{PATIENCE, Test, ends, ours, theirs};
use netkata_kit::Failure;
use netkata_kit::subject::Subject;

type Done = Result<(), Failure>;

pub const TESTS: &[Test] = &[
    Test { name: "ch06::sha512_256sum::shasum_prints_the_same", needs: "shasum", run: shasum_prints_the_same },
    Test { name: "ch06::sha512_256sum::shasum_checks", needs: "shasum", run: shasum_checks },
    Test { name: "ch06::sha512_256sum::checks_shasum", needs: "shasum", run: checks_shasum },
    Test { name: "ch06::sha512_256sum::checks_openssl", needs: "openssl", run: checks_openssl },
    Test { name: "ch06::sha512_256sum::escapes_as_coreutils", needs: "sha512sum", run: escapes_as_coreutils },
];

/// The sizes around the padding of a block of 128 octets (FIPS 180-4, section 5.1.2), and a long one.
const SIZES: [usize; 8] = [0, 1, 111, 112, 127, 128, 129, 1 << 20];

fn files(folder: &PublicFolder) -> Result<Vec<String>, Failure> {
    SIZES.iter().map(|size| folder.file(*size).map(|(name, _)| format!("{}/{name}", folder.path()))).collect()
}

/// What a program prints, after it ended well.
fn printed(mut program: Subject) -> Result<String, Failure> {
    ends(&mut program, 0)?;
    program.stdout.wait_for_end(PATIENCE);
    Ok(program.stdout.all())
}

fn run(command: &[&str], files: &[String]) -> Result<String, Failure> {
    let files = files.iter().map(String::as_str);
    printed(theirs(&command.iter().copied().chain(files).collect::<Vec<_>>())?)
}

fn run_ours(options: &[&str], files: &[String]) -> Result<String, Failure> {
    let files = files.iter().map(String::as_str);
    printed(ours("sha512_256sum", &options.iter().copied().chain(files).collect::<Vec<_>>())?)
}

fn same(theirs: &str, ours: &str) -> Done {
    if theirs == ours { Ok(()) } else { Err(Failure::new(format!("{theirs:?}"), format!("{ours:?}"))) }
}

fn shasum_prints_the_same() -> Done {
    let folder = PublicFolder::new()?;
    let files = files(&folder)?;
    for options in [&[][..], &["--tag"][..]] {
        let command = [&["shasum", "-a", "512256"], options].concat();
        same(&run(&command, &files)?, &run_ours(options, &files)?)?;
    }
    Ok(())
}

fn shasum_checks() -> Done {
    let folder = PublicFolder::new()?;
    let files = files(&folder)?;
    for options in [&[][..], &["--tag"][..]] {
        let list = folder.write("sums", run_ours(options, &files)?.as_bytes())?;
        let said = run(&["shasum", "-a", "512256", "--check"], &[list])?;
        same(&files.iter().map(|file| format!("{file}: OK\n")).collect::<String>(), &said)?;
    }
    Ok(())
}

fn checks(folder: &PublicFolder, files: &[String], list: &str) -> Done {
    let list = folder.write("sums", list.as_bytes())?;
    let said = run_ours(&["--check", "--strict"], &[list])?;
    same(&files.iter().map(|file| format!("{file}: OK\n")).collect::<String>(), &said)
}

fn checks_shasum() -> Done {
    let folder = PublicFolder::new()?;
    let files = files(&folder)?;
    for options in [&[][..], &["--tag"][..], &["--binary"][..]] {
        checks(&folder, &files, &run(&[&["shasum", "-a", "512256"], options].concat(), &files)?)?;
    }
    Ok(())
}

fn checks_openssl() -> Done {
    let folder = PublicFolder::new()?;
    let files = files(&folder)?;
    for options in [&[][..], &["-r"][..]] {
        checks(&folder, &files, &run(&[&["openssl", "dgst", "-sha512-256"], options].concat(), &files)?)?;
    }
    Ok(())
}

/// The hash is another one; the line is the same.
fn escapes_as_coreutils() -> Done {
    let folder = PublicFolder::new()?;
    let names = ["high water", "*low", "high\nwater", "low\\water", "ebb\r", " tide "];
    let files = names.iter().map(|name| folder.write(name, b"abc")).collect::<Result<Vec<_>, _>>()?;
    // What is left of each line without its hash.
    let names_of = |lines: &str, digits: usize| -> String {
        let name = |line: &str| match line.strip_prefix('\\') {
            Some(rest) => format!("\\{}\n", &rest[digits..]),
            None => format!("{}\n", &line[digits..]),
        };
        lines.lines().map(name).collect()
    };
    let (theirs, ours) = (run(&["sha512sum"], &files)?, run_ours(&[], &files)?);
    same(&names_of(&theirs, 128), &names_of(&ours, 64))?;
    let list = folder.write("sums", ours.as_bytes())?;
    run_ours(&["--check", "--strict", "--quiet"], &[list]).map(drop)
}
