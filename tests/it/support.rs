//! What every black box test needs: the binary, a state folder of its own, commands that cannot hang, and honest skips.
//!
//! Nothing here sleeps to wait for something: a command's end is a poll(2) on its pidfd, a condition is looked at until it holds or a
//! deadline passes, and then the test fails and says what it was waiting for.

pub mod bundle;

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tempfile::TempDir;

/// How long a command may take when a test does not say: generous, since two cores may be shared with a build.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A patience as this machine needs it: BOTTLESHIP_SLOW says how many times slower it is than a real one (an emulated machine is).
pub fn stretched(patience: Duration) -> Duration {
    let factor = std::env::var("BOTTLESHIP_SLOW").ok().and_then(|factor| factor.parse().ok()).unwrap_or(1);
    patience * factor
}

/// The binary under test.
pub fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_bottleship"))
}

/// With what rights these tests run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// As root: bottles of the machine's root by id-mapped mounts.
    Root,
    /// As an ordinary user who may make user namespaces.
    UserNamespaces,
}

/// The rights that the tests have. Fails loudly where there are none: a green run that tested nothing would be a lie.
pub fn rights() -> Rights {
    if rustix::process::geteuid().is_root() {
        return Rights::Root;
    }
    let probe = Command::new("unshare").args(["--user", "--map-root-user", "true"]).stderr(Stdio::null()).status();
    assert!(
        probe.is_ok_and(|status| status.success()),
        "these tests need root or unprivileged user namespaces, and this machine gives neither: run them with sudo, or allow user \
         namespaces (`sysctl kernel.unprivileged_userns_clone=1` on Debian, `sysctl kernel.apparmor_restrict_unprivileged_userns=0` on Ubuntu)"
    );
    Rights::UserNamespaces
}

/// Says that a test cannot run here, and why. The line is counted and listed at the end of `./test` (the file named by
/// BOTTLESHIP_SKIPS). The caller returns after it.
pub fn skip(test: &str, why: &str) {
    eprintln!("skipped: {test}: {why}");
    if let Some(list) = std::env::var_os("BOTTLESHIP_SKIPS") {
        let line = format!("{test}: {why}\n");
        let file = fs::OpenOptions::new().append(true).create(true).open(&list);
        file.and_then(|mut file| file.write_all(line.as_bytes())).unwrap_or_else(|error| panic!("list the skip in {list:?}: {error}"));
    }
}

/// Whether a user namespace has more users than one here: root's has, and that of whoever has sub-ids and the programs that map them.
pub fn many_ids() -> bool {
    static MANY: OnceLock<bool> = OnceLock::new();
    let tried = || Command::new("unshare").args(["--map-root-user", "--map-auto", "true"]).stderr(Stdio::null()).status();
    *MANY.get_or_init(|| rights() == Rights::Root || tried().is_ok_and(|status| status.success()))
}

/// True where the controllers are on cgroup v2, and on nothing else.
pub fn unified_cgroups() -> bool {
    fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").is_ok_and(|controllers| controllers.contains("pids"))
}

/// True if a program is on the PATH.
pub fn has_program(name: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()))
}

/// Looks at `condition` until it gives a value, at most `patience` long; fails the test naming `what` otherwise.
pub fn eventually<T>(what: &str, patience: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + stretched(patience);
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {patience:?} in vain for {what}");
        // The pause between two looks, not a wait for the event: the loop above decides.
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A state folder of its own for one test; removed, with the bottles in it, at the end.
pub struct Sandbox {
    folder: TempDir,
}

impl Sandbox {
    /// A fresh one. Fails the test where no bottle could ever run.
    pub fn new() -> Self {
        rights();
        // Below /var/tmp where that exists: overlay upper layers need a real file system, and /tmp may be a tmpfs without user xattrs.
        let base = if Path::new("/var/tmp").is_dir() { PathBuf::from("/var/tmp") } else { std::env::temp_dir() };
        let folder = tempfile::Builder::new().prefix("bottleship-test-").tempdir_in(base).expect("make a state folder");
        Sandbox { folder }
    }

    /// The folder; its `state` is BOTTLESHIP_STATE, everything else in it is the test's.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The state folder.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// A run of `bottleship ARGS` with this state folder.
    pub fn bottleship<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Call {
        self.program(binary()).args(args)
    }

    /// A run of any program with this state folder in its environment.
    pub fn program(&self, program: impl AsRef<OsStr>) -> Call {
        let mut call = Call::new(program);
        call.env.push(("BOTTLESHIP_STATE".into(), self.state().into()));
        call
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // A bottle that a test leaves behind is ended here, so that one failure does not become many.
        if self.state().join("bottles").is_dir() {
            let names = fs::read_dir(self.state().join("bottles")).into_iter().flatten().flatten().map(|entry| entry.file_name());
            for name in names.collect::<Vec<OsString>>() {
                let removed = self.bottleship([OsStr::new("rm"), OsStr::new("--force"), &name]).output();
                if !removed.status.success() && !std::thread::panicking() {
                    eprintln!("bottle {name:?} is left behind: {}", removed.stderr);
                }
            }
        }
        // A keeper's child may still be at what a fresh world left. Of a user with sub-ids only it can remove that: the folder would stay.
        let bin = self.state().join("bin");
        let deadline = Instant::now() + stretched(PATIENCE);
        while fs::read_dir(&bin).is_ok_and(|mut left| left.next().is_some()) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// A command to run: arguments, environment, input, and a time after which it is killed and the test fails.
pub struct Call {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    input: Vec<u8>,
    folder: Option<PathBuf>,
    patience: Duration,
    private_mounts: bool,
}

impl Call {
    /// A run of `program`, with no input, in the tests' folder.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Call {
            program: program.as_ref().into(),
            args: Vec::new(),
            env: Vec::new(),
            input: Vec::new(),
            folder: None,
            patience: PATIENCE,
            private_mounts: false,
        }
    }

    /// More arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// One more variable of the environment.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// What it reads on standard input.
    pub fn input(mut self, input: impl AsRef<[u8]>) -> Self {
        self.input = input.as_ref().to_owned();
        self
    }

    /// The folder it runs in.
    pub fn folder(mut self, folder: impl AsRef<Path>) -> Self {
        self.folder = Some(folder.as_ref().to_owned());
        self
    }

    /// How long it may take.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Runs it in a mount namespace of its own, so that no mount of it can stay on the machine.
    pub fn private_mounts(mut self) -> Self {
        self.private_mounts = true;
        self
    }

    /// What it is given to read.
    pub fn given(&self) -> &[u8] {
        &self.input
    }

    /// The std command, for tests that need the child itself.
    pub fn command(&self) -> Command {
        let mut command = if self.private_mounts {
            let mut unshare = Command::new("unshare");
            unshare.arg("--mount");
            if rights() == Rights::UserNamespaces {
                unshare.args(["--user", "--map-root-user"]);
            }
            unshare.arg("--").arg(&self.program);
            unshare
        } else {
            Command::new(&self.program)
        };
        command.args(&self.args).envs(self.env.iter().map(|(name, value)| (name, value)));
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command
    }

    /// Runs it to its end. Fails the test if it does not end in time.
    ///
    /// Its output goes to files and not to pipes: a process that it leaves behind cannot keep this test waiting for the end of a pipe.
    pub fn output(&self) -> Output {
        let folder = tempfile::tempdir().expect("make a folder for the output");
        let (out, err, input) = (folder.path().join("stdout"), folder.path().join("stderr"), folder.path().join("stdin"));
        fs::write(&input, &self.input).expect("write the input");
        let mut command = self.command();
        command.stdin(File::open(&input).expect("open the input"));
        command.stdout(File::create(&out).expect("make stdout")).stderr(File::create(&err).expect("make stderr"));
        let mut child = command.spawn().unwrap_or_else(|error| panic!("run {:?}: {error}", self.program));
        let ended = wait(&mut child, self.patience);
        let text = |path: &Path| String::from_utf8_lossy(&fs::read(path).expect("read the output")).into_owned();
        let (stdout, stderr) = (text(&out), text(&err));
        let line = self.line();
        let status = ended.unwrap_or_else(|| panic!("`{line}` still ran after {:?}\nstdout:\n{stdout}\nstderr:\n{stderr}", self.patience));
        Output { line, status, stdout, stderr }
    }

    /// Runs it; fails the test unless it exits with 0. Gives its output.
    pub fn succeeds(&self) -> Output {
        self.exits(0)
    }

    /// Runs it; fails the test unless it exits with `code` (128 and the signal where a signal ended it).
    pub fn exits(&self, code: i32) -> Output {
        let output = self.output();
        assert_eq!(output.code(), code, "exit code of {output}");
        output
    }

    /// The command line, for messages.
    fn line(&self) -> String {
        let mut line = self.program.to_string_lossy().into_owned();
        for arg in &self.args {
            let _ = write!(line, " {}", arg.to_string_lossy());
        }
        line
    }
}

/// What a command left: how it ended and what it wrote.
#[derive(Debug)]
pub struct Output {
    line: String,
    /// How it ended.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// The exit code as a shell shows it.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or(0))
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` ({})\nstdout:\n{}\nstderr:\n{}", self.line, self.status, self.stdout, self.stderr)
    }
}

/// Waits for a child, at most `patience` long. Past that it is killed, reaped, and `None` comes back.
pub fn wait(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let pid = Pid::from_child(child);
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).expect("pidfd_open");
    let timeout = Timespec::try_from(stretched(patience)).expect("a patience that fits");
    let ready = loop {
        match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&timeout)) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other.expect("poll"),
        }
    };
    if ready == 0 {
        let _ = pidfd_send_signal(&pidfd, Signal::KILL);
    }
    let status = child.wait().expect("wait");
    (ready > 0).then_some(status)
}

/// A server of the test's own on 127.0.0.1; answers every connection with what `answer` makes of the request's bytes up to the
/// empty line and, where a Content-Length says so, its body. Gives the address. It lives as long as the test process.
pub fn serve(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listen on loopback");
    let address = listener.local_addr().expect("the address");
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            answer_one(connection, &answer);
        }
    });
    address
}

fn answer_one(mut connection: std::net::TcpStream, answer: &impl Fn(&str) -> Vec<u8>) {
    use std::io::Read as _;
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !complete(&request) {
        match connection.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(read) => request.extend_from_slice(&buffer[..read]),
        }
    }
    let _ = connection.write_all(&answer(&String::from_utf8_lossy(&request)));
}

fn complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    body.len() >= length.unwrap_or(0)
}
