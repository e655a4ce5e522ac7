"""Fails if a pure library calls for the system: processes, files, clocks, the environment.

Arguments: the static libraries. What a library needs from outside itself is in the undefined
symbols of its objects, which `nm` lists; each that the patterns below name is reported.

With `--sees NAMES LIBRARY` it is the check that is checked: it fails unless each symbol whose name
begins with one of the comma-separated NAMES is reported for that library.
"""
import re
import subprocess
import sys

FORBIDDEN = {
    "processes": r"v?fork|clone3?|_?Fork|posix_spawnp?|exec(l|le|lp|v|ve|vp|vpe)|fexecve|system|p(open|close)|"
    r"wait(pid|id|3|4)?|_exit|_Exit|k(ill|illpg)|raise|tgkill|pidfd_\w+|pthread_create|setsid|"
    r"set(r?e?s?[ug]id|pgid|groups|rlimit|priority)|initgroups|getp?pid|get(e?[ug]id)|gettid|prctl|ptrace|syscall",
    "signals": r"sigaction|signal|sigprocmask|pthread_sigmask|sigqueue|signalfd|alarm",
    "files": r"(f|fd|fre)?open(at|dir)?(64)?|creat(64)?|close(dir)?|close_range|fclose|p?readv?(64)?|p?writev?(64)?|"
    r"readlink(at)?|readdir(64)?|l?stat(at|x|vfs)?(64)?|f?stat(at|vfs)?(64)?|__\w*stat(64)?|access|faccessat|"
    r"unlink(at)?|rename(at2?)?|mkdir(at)?|rmdir|(sym)?link(at)?|f?chmod|f?chown|chdir|chroot|mount|"
    r"mkfifo(at)?|mknod(at)?|mk[sd]temp|f?truncate(64)?|dup[23]?|fcntl(64)?|ioctl|pipe2?|"
    r"f(read|write|getc|gets|putc|puts)|puts|putchar|v?f?printf|perror|mmap(64)?|inotify_\w+|memfd_create|isatty",
    "waiting": r"select|pselect|p?poll|epoll_\w+|eventfd|timerfd_\w+|u?sleep|(clock_)?nanosleep|sched_yield",
    "clocks": r"clock_(get|set)\w+|gettimeofday|time|times|localtime(_r)?|clock|"
    r"std::chrono::_V2::\w+_clock::now\(\)",
    "environment": r"(secure_)?getenv|(un)?setenv|putenv|clearenv|environ|__environ|gethostname|uname|"
    r"getpw\w+|getgr\w+|getcwd|sysconf|getr(limit|usage)(64)?",
    "network": r"socket(pair)?|connect|bind|listen|accept4?|send(to|msg)?|recv(from|msg)?|sd_\w+",
    "chance": r"s?random(_r)?|s?rand(_r)?|[dejlmn]rand48|getrandom|getentropy|std::random_device::.*",
    "streams": r"std::c(out|err|in|log)|std::basic_[io]?f(ile)?(stream|buf)<.*|std::filesystem::.*|"
    r"fmt::v\d+::v?print\(.*",
}
PATTERNS = {subject: re.compile(rf"(?:{pattern})\Z") for subject, pattern in FORBIDDEN.items()}

# glibc's checked variants (-D_FORTIFY_SOURCE): __read_chk is read, __open_2 is open.
FORTIFIED = re.compile(r"\A__(\w+?)_(?:chk|2)\Z")


def undefined_symbols(library):
    listing = subprocess.run(
        ["nm", "--undefined-only", "--demangle", "--format=posix", library],
        check=True, stdout=subprocess.PIPE, text=True).stdout
    for line in listing.splitlines():
        # `NAME U`; lines that end in a colon name the object that follows.
        name, _, kind = line.rstrip().rpartition(" ")
        if kind == "U":
            yield FORTIFIED.sub(r"\1", name)


def violations(library):
    for symbol in sorted(set(undefined_symbols(library))):
        for subject, pattern in PATTERNS.items():
            if pattern.match(symbol):
                yield symbol, subject


def check(libraries):
    if not libraries:
        print("no pure library was given: the check would prove nothing")
        return 1
    bad = 0
    for library in libraries:
        for symbol, subject in violations(library):
            print(f"{library}: needs {symbol} ({subject})")
            bad += 1
    print(f"{len(libraries)} libraries, {bad} forbidden symbols")
    return 1 if bad else 0


def check_the_check(names, library):
    seen = [symbol for symbol, _ in violations(library)]
    overlooked = [name for name in names if not any(one.startswith(name) for one in seen)]
    for name in overlooked:
        print(f"{library}: {name} was not reported")
    return 1 if overlooked else 0


def main(arguments):
    if arguments[:1] == ["--sees"]:
        return check_the_check(arguments[1].split(","), arguments[2])
    return check(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
