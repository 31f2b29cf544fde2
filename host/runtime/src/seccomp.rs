//! The system calls of the processes that touch what strangers sent: an allow list for each, installed for all threads once everything
//! is set up.
//!
//! Two filters lie on each other. The first answers "not permitted" to what libraries try and do without (files, sockets,
//! threads); the second ends the process at everything that is on neither list.

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};
use std::collections::BTreeMap;
use std::os::fd::RawFd;

/// Why a filter does not hold.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The list itself.
    #[error("the filter of system calls cannot be made: {0}")]
    Filter(#[from] seccompiler::BackendError),
    /// The kernel.
    #[error("the kernel does not take the filter of system calls (seccomp): {0}")]
    Kernel(#[from] seccompiler::Error),
}

/// Reading and writing what is open, waiting, memory, time, chance, signals of its own, and the end.
const ALLOWED: &[i64] = &[
    libc::SYS_brk,
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_close,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_getuid,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_ppoll,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_sigaltstack,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_time,
];

/// Calls on an open file, and which of their arguments it is.
const ON_FILES: &[(i64, u8)] = &[
    (libc::SYS_fstat, 0),
    (libc::SYS_mmap, 4),
    (libc::SYS_read, 0),
    (libc::SYS_readv, 0),
    (libc::SYS_recvfrom, 0),
    (libc::SYS_recvmsg, 0),
    (libc::SYS_sendmsg, 0),
    (libc::SYS_sendto, 0),
    (libc::SYS_shutdown, 0),
    (libc::SYS_write, 0),
    (libc::SYS_writev, 0),
];

/// What a process that loads code needs besides: the first contents of memories lie in anonymous files.
const FOR_MEMORIES: &[i64] = &[libc::SYS_ftruncate, libc::SYS_lseek, libc::SYS_memfd_create];

/// What libraries try: they are told that it is not permitted.
const REFUSED: &[i64] = &[
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_getcwd,
    libc::SYS_ioctl,
    libc::SYS_newfstatat,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_pipe2,
    libc::SYS_prctl,
    libc::SYS_prlimit64,
    libc::SYS_process_madvise, // it takes other processes, too; without it memory is given back part by part
    libc::SYS_readlinkat,
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_statx,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_pipe,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
];

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It runs guests.
    Guests,
    /// It checks and compiles uploads.
    Compile,
}

/// Confines all threads of this process, for good. `shut` are open files that it must not touch: what it inherited.
pub(crate) fn confine(purpose: Purpose, shut: &[RawFd]) -> Result<(), Error> {
    // The first must not forbid what installs the second.
    for program in [refusals()?, limits(purpose, shut)?] {
        seccompiler::apply_filter_all_threads(&program)?;
    }
    Ok(())
}

fn arch() -> Result<TargetArch, Error> {
    Ok(TargetArch::try_from(std::env::consts::ARCH)?)
}

fn refusals() -> Result<BpfProgram, Error> {
    // How the first filter is left to the second: installing a filter asks for no new privileges first.
    let others = |call: &&i64| **call != libc::SYS_prctl;
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        REFUSED.iter().filter(others).map(|call| (*call, Vec::new())).collect();
    let other = condition((0, SeccompCmpArgLen::Dword), SeccompCmpOp::Ne, libc::PR_SET_NO_NEW_PRIVS as u64)?;
    rules.insert(libc::SYS_prctl, vec![SeccompRule::new(vec![other])?]);
    let not_permitted = SeccompAction::Errno(libc::EPERM as u32);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, not_permitted, arch()?)?;
    Ok(filter.try_into()?)
}

fn limits(purpose: Purpose, shut: &[RawFd]) -> Result<BpfProgram, Error> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    let memories = if purpose == Purpose::Guests { FOR_MEMORIES } else { &[] };
    for call in ALLOWED.iter().chain(REFUSED).chain(memories) {
        rules.insert(*call, Vec::new());
    }
    for (call, argument) in ON_FILES {
        rules.insert(*call, but(*argument, shut)?);
    }
    rules.insert(libc::SYS_fcntl, file_control()?);
    // Its own end by `abort`; nobody else's.
    let own = condition((0, SeccompCmpArgLen::Dword), SeccompCmpOp::Eq, u64::from(std::process::id()))?;
    rules.insert(libc::SYS_tgkill, vec![SeccompRule::new(vec![own])?]);
    let filter = SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, arch()?)?;
    Ok(filter.try_into()?)
}

/// All files but these.
fn but(argument: u8, shut: &[RawFd]) -> Result<Vec<SeccompRule>, Error> {
    if shut.is_empty() {
        return Ok(Vec::new());
    }
    let other =
        |fd: &RawFd| condition((argument, SeccompCmpArgLen::Dword), SeccompCmpOp::Ne, u64::from(fd.unsigned_abs()));
    Ok(vec![SeccompRule::new(shut.iter().map(other).collect::<Result<_, _>>()?)?])
}

/// What is asked of an open file: its flags, another number for it, and seals for anonymous files. Nothing that sends signals.
fn file_control() -> Result<Vec<SeccompRule>, Error> {
    const COMMANDS: [libc::c_int; 7] = [
        libc::F_GETFD,
        libc::F_SETFD,
        libc::F_GETFL,
        libc::F_SETFL,
        libc::F_DUPFD_CLOEXEC,
        libc::F_ADD_SEALS,
        libc::F_GET_SEALS,
    ];
    let rule = |command: libc::c_int| {
        let same = condition((1, SeccompCmpArgLen::Dword), SeccompCmpOp::Eq, u64::from(command.unsigned_abs()))?;
        Ok(SeccompRule::new(vec![same])?)
    };
    COMMANDS.into_iter().map(rule).collect()
}

fn condition(
    (argument, size): (u8, SeccompCmpArgLen),
    operator: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, Error> {
    Ok(SeccompCondition::new(argument, size, operator, value)?)
}

/// Whether the filter holds: what must not be possible is tried.
pub(crate) fn holds() -> Result<(), &'static str> {
    let refused = |error: std::io::Error| error.kind() == std::io::ErrorKind::PermissionDenied;
    if !std::fs::File::open("/dev/null").is_err_and(refused) {
        return Err("a file can be opened");
    }
    if !std::net::UdpSocket::bind("127.0.0.1:0").is_err_and(refused) {
        return Err("a socket can be made");
    }
    if !std::thread::Builder::new().spawn(|| ()).is_err_and(refused) {
        return Err("a thread can be started");
    }
    if std::process::Command::new("/bin/true").spawn().is_ok() {
        return Err("a program can be started");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{Command, ExitStatus};

    /// Names what the process of a test is to do after it was confined.
    const VARIABLE: &str = "STEPWELL_TEST_VIOLATION";

    /// Does nothing but in the process that another test starts.
    #[test]
    fn a_process_that_violates() {
        let Ok(violation) = std::env::var(VARIABLE) else { return };
        let inherited = std::fs::File::open("/dev/zero").expect("file");
        let shut = std::os::fd::AsRawFd::as_raw_fd(&inherited);
        confine(Purpose::Guests, &[shut]).expect("confined");
        holds().expect("it holds");
        match violation.as_str() {
            "nothing" => std::process::exit(7),
            "kill" => drop(rustix::process::test_kill_process(rustix::process::Pid::INIT)),
            "chdir" => drop(rustix::process::chdir("/")),
            "inherited" => drop(rustix::io::read(&inherited, &mut [0_u8; 8])),
            "session" => drop(rustix::process::setsid()),
            "abort" => std::process::abort(),
            other => panic!("{other}"),
        }
        std::process::exit(8); // nothing stopped it
    }

    fn violate(violation: &str) -> ExitStatus {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["--exact", "seccomp::tests::a_process_that_violates", "--nocapture", "--test-threads=1"]);
        command.env(VARIABLE, violation).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        command.status().expect("a process")
    }

    #[test]
    fn what_is_not_on_the_list_ends_the_process() {
        for violation in ["kill", "chdir", "inherited", "session"] {
            let status = violate(violation);
            assert_eq!(status.signal(), Some(rustix::process::Signal::SYS.as_raw()), "{violation}: {status}");
        }
    }

    #[test]
    fn what_a_process_needs_is_on_the_list() {
        assert_eq!(violate("nothing").code(), Some(7));
        assert_eq!(violate("abort").signal(), Some(rustix::process::Signal::ABORT.as_raw()));
    }
}
