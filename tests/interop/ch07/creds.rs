//! Who is there: nc and python3 as other users, in other groups. setpriv makes them so, which needs root.

use crate::{PATIENCE, Test, built, ends, ours, says, theirs};
use netkata::unix::accounts::{groups_of_user, user_name};
use netkata_kit::Failure;
use netkata_kit::program::can_be_others;
use netkata_kit::scene::NOT_ROOT;
use netkata_kit::subject::Subject;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use tempfile::TempDir;

type Done = Result<(), Failure>;

pub const TESTS: &[Test] = &[
    Test { name: "ch07::creds_server::nc_by_gid", needs: "nc setpriv", run: by_gid },
    Test { name: "ch07::creds_server::nc_by_process_groups", needs: "nc setpriv", run: by_process_groups },
    Test { name: "ch07::creds_server::nc_by_db_groups", needs: "nc setpriv", run: by_db_groups },
    Test { name: "ch07::creds_server::nc_by_a_line_of_group_5", needs: "nc setpriv unshare", run: by_line },
    Test { name: "ch07::creds_server::nc_without_a_database", needs: "nc setpriv unshare", run: without_database },
    Test { name: "ch07::creds_server::python3_speaks_first", needs: "python3", run: python_speaks_first },
];

/// A user and two groups that this machine does not know by name.
const USER: &str = "61007";
const CREW: &str = "62011";
const PILOTS: &str = "62012";

fn io_failure(what: &'static str) -> impl Fn(std::io::Error) -> Failure {
    move |e| Failure::new(what, e.to_string())
}

/// A folder that others may enter, for a socket file.
fn harbour() -> Result<(TempDir, String), Failure> {
    if !can_be_others() {
        return Err(Failure::skipped(NOT_ROOT));
    }
    let folder = tempfile::tempdir().map_err(io_failure("a folder"))?;
    fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).map_err(io_failure("its mode"))?;
    let path = folder.path().join("harbour.sock").to_string_lossy().into_owned();
    Ok((folder, path))
}

/// The server for the pilots.
fn server(policy: &str, group: &str, path: &str) -> Result<Subject, Failure> {
    let server = ours("creds_server", &[group, "--policy", policy, "--socket", path])?;
    server.announced()?;
    Ok(server)
}

/// `nc -U` as somebody. `groups` are the supplementary ones.
fn nc(path: &str, user: &str, group: &str, groups: &[&str]) -> Result<Subject, Failure> {
    theirs(&[&somebody(user, group, groups)[..], &["nc", "-NU", path].map(String::from)].concat().each())
}

fn somebody(user: &str, group: &str, groups: &[&str]) -> Vec<String> {
    let groups = if groups.is_empty() { "--clear-groups".into() } else { format!("--groups={}", groups.join(",")) };
    ["setpriv".into(), format!("--reuid={user}"), format!("--regid={group}"), groups].into()
}

/// The words of a command line, borrowed.
trait Each {
    fn each(&self) -> Vec<&str>;
}

impl Each for Vec<String> {
    fn each(&self) -> Vec<&str> {
        self.iter().map(String::as_str).collect()
    }
}

/// It is welcome, stays while it talks, and leaves by itself.
fn stays(mut nc: Subject) -> Done {
    says(&nc, "Welcome\n")?;
    nc.type_line("high water at 7:41")?;
    if nc.poll()?.is_some() {
        return Err(Failure::new("nc to stay", "it has ended"));
    }
    nc.end_input();
    ends(&mut nc, 0)
}

/// It is told, and the server closes: nc ends although its input goes on.
fn is_sent_away(mut nc: Subject) -> Done {
    says(&nc, "Access denied\n")?;
    ends(&mut nc, 0)
}

fn logs(server: &Subject, text: &str) -> Done {
    server.stderr.contains(text, PATIENCE).map_err(|(said, _)| Failure::new(format!("{text:?} in the log"), said))
}

/// As `sudo -g pilots nc -U harbour.sock` is, and as a member who did not ask for that is.
fn by_gid() -> Done {
    let (_folder, path) = harbour()?;
    let server = server("gid", PILOTS, &path)?;
    let member = nc(&path, USER, PILOTS, &[])?;
    logs(&server, &format!("pid {}, user {USER}, group {PILOTS}: allowed by gid: {PILOTS}\n", member.pid()))?;
    stays(member)?;
    let other = nc(&path, USER, CREW, &[PILOTS])?;
    logs(&server, &format!("pid {}, user {USER}, group {CREW}: denied by gid: {CREW}\n", other.pid()))?;
    is_sent_away(other)
}

fn by_process_groups() -> Done {
    let (_folder, path) = harbour()?;
    let server = server("process-groups", PILOTS, &path)?;
    stays(nc(&path, USER, PILOTS, &[])?)?;
    stays(nc(&path, USER, CREW, &["62001", PILOTS, "62099"])?)?;
    let many: Vec<String> = (61_900..=62_012).map(|group| group.to_string()).collect();
    stays(nc(&path, USER, CREW, &many.each())?)?;
    is_sent_away(nc(&path, USER, CREW, &["62001", "62099"])?)?;
    logs(&server, &format!("group {CREW}: denied by process-groups: {CREW}, 62001, 62099\n"))
}

/// A user of this machine in a strange group; a stranger in the user's group.
fn by_db_groups() -> Done {
    let (_folder, path) = harbour()?;
    let (user, group) = somebody_known()?;
    let _server = server("db-groups", &group, &path)?;
    stays(nc(&path, &user, CREW, &[])?)?;
    is_sent_away(nc(&path, USER, &group, &[])?)
}

/// Not root.
fn somebody_known() -> Result<(String, String), Failure> {
    let known = (1..=1000).find_map(|uid| Some((uid.to_string(), groups_of_user(uid).ok()?.first()?.to_string())));
    known.ok_or_else(|| Failure::skipped("needs a user whom the database knows"))
}

/// A server for which `mount` has been done in a mount namespace of its own.
fn server_in_a_namespace(mount: &str, group: &str, path: &str) -> Result<Subject, Failure> {
    let works = Command::new("unshare").args(["--mount", "sh", "-c", mount]).output().map_err(io_failure("unshare"))?;
    if !works.status.success() {
        return Err(Failure::skipped("needs mount namespaces (unshare --mount)"));
    }
    let script = format!("{mount} && exec \"$0\" \"$@\"");
    let program = built("creds_server").to_string_lossy().into_owned();
    let words = ["unshare", "--mount", "sh", "-c", &script, &program, group, "--policy", "db-groups", "--socket", path];
    let server = theirs(&words)?;
    server.announced()?;
    Ok(server)
}

/// The pilots' line in group(5) lists a user; then it does not any more. The database is asked for each client anew.
fn by_line() -> Done {
    let (folder, path) = harbour()?;
    let (user, group) = somebody_known()?;
    let name = user.parse().map(user_name).unwrap_or_default();
    let file = folder.path().join("group");
    let members = |who: &str| {
        fs::write(&file, format!("crew:x:{group}:\npilots:x:{PILOTS}:{who}\n")).map_err(io_failure("a list of groups"))
    };
    members(&name)?;
    let mount = format!("mount --bind '{}' /etc/group", file.display());
    let server = server_in_a_namespace(&mount, "pilots", &path)?;
    stays(nc(&path, &user, CREW, &[])?)?;
    logs(&server, &format!("allowed by db-groups: pilots ({PILOTS})\n"))?;
    members("")?;
    is_sent_away(nc(&path, &user, CREW, &[PILOTS])?)
}

/// A folder in the place of passwd(5): it can be opened, and not be read. Then nobody gets in.
fn without_database() -> Done {
    let (folder, path) = harbour()?;
    let (user, group) = somebody_known()?;
    fs::create_dir(folder.path().join("passwd")).map_err(io_failure("a folder"))?;
    let mount = format!("mount --bind '{}' /etc", folder.path().display());
    let server = server_in_a_namespace(&mount, &group, &path)?;
    is_sent_away(nc(&path, &user, &group, &[])?)?;
    logs(&server, "denied: db-groups cannot be asked: ")
}

/// What it sends first lies unread in the server's queue when it is denied; what it reads is the answer, then the end, and no
/// reset.
fn python_speaks_first() -> Done {
    // It becomes somebody else by itself: where python3 is root's own, nobody else could start it.
    const SCRIPT: &str = "import os, socket, sys
os.setgroups([])
os.setresgid(62011, 62011, 62011)
os.setresuid(61007, 61007, 61007)
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b'any berth free?' * 1000)
told = b''
while (more := s.recv(100)) != b'':
    told += more
print(told)";
    let (_folder, path) = harbour()?;
    let _server = server("process-groups", PILOTS, &path)?;
    let mut python = theirs(&["python3", "-c", SCRIPT, &path])?;
    ends(&mut python, 0)?;
    says(&python, "b'Access denied\\n'\n")
}
