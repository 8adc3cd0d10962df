//! Translates SQLite's result codes into the store's errors.
//! Deliberately decides nothing about trying again.

use crate::Error;

/// `SQLITE_IOERR_SHMSIZE`: the shared-memory file could not grow, which is how a full disk can show.
const IOERR_SHMSIZE: i32 = 4874;

/// The extended result code, if the error came from SQLite.
fn code(error: &sqlx::Error) -> Option<i32> {
    error.as_database_error()?.code()?.parse().ok()
}

/// What a caller is told. See <https://www.sqlite.org/rescode.html>.
pub(super) fn error(error: &sqlx::Error) -> Error {
    let text = error.to_string();
    let Some(code) = code(error) else {
        return match error {
            sqlx::Error::PoolClosed => Error::Closed,
            sqlx::Error::PoolTimedOut => Error::Busy(text),
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Error::Corrupt(text),
            _ => Error::Io(text),
        };
    };
    match code & 0xff {
        5 | 6 => Error::Busy(text),
        10 if code == IOERR_SHMSIZE => Error::Full(text),
        11 | 26 => Error::Corrupt(text),
        13 => Error::Full(text),
        18 | 19 | 20 | 25 => Error::Invalid(text),
        _ => Error::Io(text),
    }
}

/// Whether SQLite reported a failed read, write or sync. What the disk holds is unknown from here on: a failed
/// sync marks pages as clean, so a second one would succeed without having written anything.
pub(super) fn is_disk_failure(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| matches!(code & 0xff, 10 | 11 | 26) && code != IOERR_SHMSIZE)
}

/// Whether the error came from SQLite at all, and not from the path to it.
pub(super) fn is_from_sqlite(error: &sqlx::Error) -> bool {
    code(error).is_some()
}
