//! The names of users and groups (passwd(5), group(5)), by way of the C library, so that directories other than the two files
//! are asked as well (nsswitch.conf(5)). Such a directory may be slow: its own deadlines hold, there are none here.

use nix::errno::Errno;
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use std::ffi::CString;
use std::io;

/// The number of a group; a name that is a number is one that has no name. `None`: there is no such group.
///
/// # Errors
/// When the database cannot be read.
pub fn group_id(name: &str) -> io::Result<Option<u32>> {
    // A NUL would end the name early, and another group would be found.
    if name.contains('\0') {
        return Ok(None);
    }
    match found(Group::from_name(name))? {
        Some(group) => Ok(Some(group.gid.as_raw())),
        // -1 means "leave it as it is" to chown(2).
        None => Ok(name.parse().ok().filter(|gid| *gid != u32::MAX && name.bytes().all(|b| b.is_ascii_digit()))),
    }
}

/// The name of a group, or its number where it has none.
pub fn group_name(gid: u32) -> String {
    let group = Group::from_gid(Gid::from_raw(gid)).ok().flatten();
    group.map_or_else(|| gid.to_string(), |group| group.name)
}

/// The name of a user, or the number where there is none.
pub fn user_name(uid: u32) -> String {
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    user.map_or_else(|| uid.to_string(), |user| user.name)
}

/// The groups of a user by the database: the one in passwd(5), and those that list the user in group(5). A user whom the
/// database does not know has none. What a running process is a member of can differ (credentials(7)).
///
/// # Errors
/// When the database cannot be read.
pub fn groups_of_user(uid: u32) -> io::Result<Vec<u32>> {
    let Some(user) = found(User::from_uid(Uid::from_raw(uid)))? else { return Ok(Vec::new()) };
    let Ok(name) = CString::new(user.name) else { return Ok(Vec::new()) };
    Ok(getgrouplist(&name, user.gid)?.into_iter().map(Gid::as_raw).collect())
}

/// Where there is no database at all, as in many a container, there is no such user or group either (getpwnam(3), "Errors").
fn found<T>(answer: nix::Result<Option<T>>) -> io::Result<Option<T>> {
    match answer {
        Err(Errno::ENOENT | Errno::ESRCH) => Ok(None),
        other => Ok(other?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Root is there on every Unix; a made-up name is not.
    #[test]
    fn names_and_numbers() {
        assert_eq!(user_name(0), "root");
        assert_eq!(group_id(&group_name(0)).expect("group"), Some(0));
        assert_eq!(groups_of_user(0).expect("groups")[0], 0);
        for name in ["no-such-group", "", "root\0", "-1", "+0", "4294967295", "99999999999"] {
            assert_eq!(group_id(name).expect("asked"), None, "{name:?}");
        }
        assert_eq!(group_id("3999999999").expect("asked"), Some(3_999_999_999));
        assert_eq!(group_name(3_999_999_999), "3999999999");
        assert!(groups_of_user(3_999_999_999).expect("asked").is_empty());
    }
}
