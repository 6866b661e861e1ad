//! The daytime protocol (RFC 867), apart from how it is carried: the line, and the time zone that it is for.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The form of RFC 867's example: `Tuesday, February 22, 1982 17:37:43-PST`.
const FORM: &str = "%A, %B %-d, %Y %H:%M:%S-%Z\r\n";
/// The most octets that a reply may have. RFC 867 asks for one line.
pub const LIMIT: usize = 1024;

/// The date and the time of now, in a line that ends with CR LF.
pub fn line(zone: &TimeZone) -> String {
    Timestamp::now().to_zoned(zone.clone()).strftime(FORM).to_string()
}

/// `UTC`, `local`, or a name from the time zone database. For clap.
///
/// # Errors
/// When this machine does not know the name.
pub fn zone(name: &str) -> Result<TimeZone, String> {
    match name {
        "UTC" => Ok(TimeZone::UTC),
        // A machine that was never told its zone keeps UTC.
        "local" => Ok(TimeZone::try_system().unwrap_or(TimeZone::UTC)),
        name => TimeZone::get(name)
            .map_err(|_| "not in this machine's time zone database (write UTC, local or Europe/Lisbon)".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_now() {
        let line = line(&zone("UTC").expect("known"));
        assert!(line.ends_with("-UTC\r\n") && line.len() < LIMIT, "{line:?}");
        assert!(zone("Atlantis/Port").expect_err("unknown").contains("time zone database"));
    }
}
