//! The resources that this process ran out of, and where to get more.

use std::io;

/// Error numbers of Linux: the library that names them needs `unsafe`.
const EAGAIN: i32 = 11;
const ENOMEM: i32 = 12;
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;
const EADDRNOTAVAIL: i32 = 99;

/// The remedy for an error of the operating system that no broker is to blame for.
pub(crate) fn remedy(error: &io::Error) -> Option<&'static str> {
    match error.raw_os_error()? {
        EMFILE => Some(
            "this process may not open more files and sockets; raise its limit (`ulimit -n`, `LimitNOFILE=` of systemd, \
             `minfds` of supervisord)",
        ),
        ENFILE => {
            Some("this host has too many open files; see who holds them, or raise `fs.file-max`")
        }
        EADDRNOTAVAIL => Some(
            "this host has no free port left for another connection, or none of its addresses fits; see what holds them \
             (`ss -s`)",
        ),
        ENOMEM => Some("this host, or this container, has no memory left"),
        _ => None,
    }
}

/// Why a thread, or its runtime, cannot be made, and the remedy.
pub(crate) fn no_thread(what: &str, error: &io::Error) -> String {
    let remedy = match error.raw_os_error() {
        Some(EAGAIN) => Some(
            "there may be no more threads; raise the limit (`ulimit -u`, `TasksMax=` of systemd, the pids limit of the \
             container)",
        ),
        _ => remedy(error),
    };
    match remedy {
        Some(remedy) => format!("cannot start {what}: {error}; {remedy}"),
        None => format!("cannot start {what}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_process_ran_out_of_is_said_with_who_can_give_more() {
        let text = |code| no_thread("a thread", &io::Error::from_raw_os_error(code));
        assert!(text(EMFILE).contains("`ulimit -n`"), "{}", text(EMFILE));
        assert!(text(EAGAIN).contains("`ulimit -u`"), "{}", text(EAGAIN));
        assert!(text(EMFILE).starts_with("cannot start a thread: Too many open files"));
        assert_eq!(remedy(&io::Error::from_raw_os_error(111)), None);
        assert_eq!(remedy(&io::ErrorKind::TimedOut.into()), None);
    }
}
