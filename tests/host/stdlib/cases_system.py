"""Sockets, files, processes and what else the operating system gives. Nothing leaves the loopback."""

from cases import case, raised


@case("socket", "_socket", "selectors", "select")
def socket_errors():
    import select
    import socket

    found = [
        socket.error is OSError,
        select.error is OSError,
        socket.timeout is TimeoutError,
        issubclass(socket.gaierror, OSError),
    ]
    try:
        socket.getaddrinfo("127.0.0.1", 1, type=99)
    except socket.gaierror as error:
        found.append(f"caught {error.errno}")
    try:
        socket.getaddrinfo("no host .", 1, flags=socket.AI_NUMERICHOST)
    except socket.gaierror as error:
        found.append(f"caught {error}")
    try:
        socket.inet_aton("x")
    except OSError as error:
        found.append(f"caught {error}")
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        one.settimeout(0.001)
        try:
            one.accept()
        except socket.timeout as error:
            found.append(f"caught {error}")
        with socket.create_connection(one.getsockname()) as two:
            one.settimeout(5)
            three, _ = one.accept()
            with three:
                two.sendall(b"abc")
                found += [three.recv(3), type(three) is socket.socket, three.family, repr(three.type)]
    left, right = socket.socketpair()
    with left, right:
        socket.send_fds(left, [b"x"], [left.fileno()])
        data, descriptors, _, _ = socket.recv_fds(right, 1, 1)
        socket.close(descriptors[0])
    return [
        *found,
        data,
        len(descriptors),
        socket.getdefaulttimeout(),
        socket.gethostbyname("127.0.0.1"),
        socket.htons(1),
    ]


@case("selectors", "select", "_posixsubprocess", "fcntl")
def waiting():
    import fcntl
    import os
    import select
    import selectors

    read, write = os.pipe()
    found = []
    for kind in (selectors.DefaultSelector, selectors.SelectSelector, selectors.PollSelector):
        with kind() as selector:
            selector.register(read, selectors.EVENT_READ, "data")
            found.append(len(selector.select(0)))
            os.write(write, b"x")
            found.append([(key.data, mask) for key, mask in selector.select(5)])
            os.read(read, 1)
    poll = select.epoll()
    poll.register(read, select.EPOLLIN)
    found += [
        poll.poll(0),
        raised(poll.register, read),
        select.select([read], [], [], 0),
        raised(select.select, [-1], [], [], 0),
    ]
    poll.close()
    found += [fcntl.fcntl(read, fcntl.F_GETFD), raised(poll.poll)]
    os.close(read)
    os.close(write)
    return found


@case("ssl", "_ssl")
def ssl_contexts():
    import gc
    import ssl
    import weakref

    context = ssl.create_default_context()
    found = [context.verify_mode, context.check_hostname, context.minimum_version, type(context) is ssl.SSLContext]
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname="example.org")
    try:
        client.do_handshake()
    except ssl.SSLWantReadError as error:
        found.append(f"caught {error.errno} {isinstance(error, OSError)}")
    incoming.write(b"no TLS at all here")
    try:
        client.do_handshake()
    except ssl.SSLError as error:
        found.append(f"caught {error.reason} {type(error).__name__} {error.library}")
    try:
        context.load_cert_chain("/nowhere")
    except FileNotFoundError as error:
        found.append(f"caught {error}")
    try:
        context.load_verify_locations(cadata="x")
    except (ssl.SSLError, ValueError) as error:
        found.append(f"caught {type(error).__name__}")
    gone = weakref.ref(context)
    del client, context
    gc.collect()
    return [
        *found,
        gone() is None,
        ssl.SSLError.__mro__,
        len(ssl.RAND_bytes(4)),
        ssl.socket_error is OSError,
        ssl.SSLWantReadError.__mro__,
        ssl.cert_time_to_seconds("Jan  5 09:34:43 2018 GMT"),
        ssl.TLSVersion.TLSv1_2,
        raised(ssl.SSLContext, 99),
    ]


@case("subprocess", "_posixsubprocess", "os", "posix", "posixpath", "pty", "shutil")
def children():
    import os
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-c", "print(input()); import sys; sys.exit(3)"], input="hi\n", capture_output=True, text=True
    )
    found = [done.returncode, done.stdout, done.stderr]
    try:
        subprocess.run(["false"], check=True)
    except subprocess.CalledProcessError as error:
        found.append(f"caught {error}")
    try:
        subprocess.run(["sleep", "5"], timeout=0.01)
    except subprocess.TimeoutExpired as error:
        found.append(f"caught {error.cmd}")
    try:
        subprocess.Popen(["/no/such/program"])
    except FileNotFoundError as error:
        found.append(f"caught {error}")
    with os.popen("echo a") as out:
        found.append(out.read())
    os.environ["EXERCISE"] = "set"
    found.append(subprocess.check_output(["sh", "-c", "echo $EXERCISE"]))
    found.append(subprocess.check_output(["sh", "-c", "echo $EXERCISE"], env={"EXERCISE": "given", **os.environ}))
    del os.environ["EXERCISE"]
    child = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 7"], os.environ)
    found.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    return [
        *found,
        os.system("exit 4"),
        subprocess.getstatusoutput("echo b"),
        subprocess.run("exit 5", shell=True, start_new_session=True).returncode,
    ]


@case("os", "posix", "stat", "_stat", "pathlib", "glob", "shutil", "tempfile", "filecmp", "genericpath")
def files():
    import glob
    import os
    import pathlib
    import shutil
    import stat
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        one = pathlib.Path(folder, "one.txt")
        one.write_text("é")
        with os.scandir(folder) as entries:
            found = [(entry.name, entry.is_file(), isinstance(entry, os.PathLike)) for entry in entries]
        found += [
            stat.filemode(one.stat().st_mode),
            one.stat().st_size,
            type(one.stat()) is os.stat_result,
            shutil.copy(one, folder + "/two") == folder + "/two",
        ]
        found += [
            sorted(os.path.basename(name) for name in glob.glob(folder + "/*")),
            sorted(path.name for path in pathlib.Path(folder).rglob("*")),
        ]
        packed = shutil.make_archive(folder + "/packed", "gztar", folder, "two")
        found += [
            os.path.basename(packed),
            raised(os.stat, folder + "/nope").replace(folder, ""),
            raised(shutil.copy, one, one).replace(folder, ""),
        ]
        with tempfile.NamedTemporaryFile("w+", dir=folder) as file, tempfile.SpooledTemporaryFile() as spooled:
            file.write("a")
            file.seek(0)
            spooled.write(b"b")
            found += [file.read(), spooled.tell(), os.path.exists(file.name)]
        found.append(shutil.disk_usage(folder).total > 0)
    try:
        os.rmdir(folder)
    except OSError as error:
        found.append(type(error).__name__)
    return [
        *found,
        os.path.exists(folder),
        os.fspath(one).endswith("one.txt"),
        pathlib.PurePosixPath("a/b").parts,
        os.cpu_count() is not None,
        os.error is OSError,
        isinstance(os.environ, __import__("collections").abc.MutableMapping),
        os.get_terminal_size.__name__,
        os.umask(os.umask(0o22)) > -1,
    ]


@case("mmap", "io", "_io", "_pyio", "fileinput")
def buffers():
    import io
    import mmap
    import tempfile

    with tempfile.TemporaryFile() as file:
        file.write(b"abc\ndef\n")
        file.flush()
        with mmap.mmap(file.fileno(), 0) as area:
            found = [area[:3], area.find(b"d"), area.readline(), len(area), mmap.error is OSError]
        found.append(raised(area.read))
        file.seek(0)
        found += [raised(mmap.mmap, file.fileno(), 10**9), io.TextIOWrapper(file, "utf-8").readlines()]
    text = io.StringIO("a\r\nb")
    found += [
        text.readlines(),
        io.BufferedReader(io.BytesIO(b"xyz")).peek(1),
        isinstance(text, io.TextIOBase),
        isinstance(io.BytesIO(), io.BufferedIOBase),
    ]
    try:
        io.BytesIO().fileno()
    except io.UnsupportedOperation as error:
        found.append(f"caught {error} {isinstance(error, OSError)} {isinstance(error, ValueError)}")
    try:
        open("/no/such")
    except FileNotFoundError as error:
        found.append(f"caught {error} {io.open is open}")
    return [
        *found,
        io.BlockingIOError is BlockingIOError,
        io.IncrementalNewlineDecoder(None, True).decode("a\r\n"),
        raised(open, "/", "rw"),
    ]


@case("signal", "_signal")
def signal_facts():
    import signal

    try:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        told = "set"
    except ValueError as error:
        told = f"caught {error}"
    return [
        told,
        signal.Signals.SIGTERM,
        signal.strsignal(15),
        signal.Signals(9).name,
        signal.SIGINT in signal.valid_signals(),
        repr(signal.SIG_DFL),
        signal.ItimerError.__mro__,
        raised(signal.getitimer, 99),
        signal.sigpending(),
        sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
    ]


@case("time", "resource", "pwd", "grp", "platform", "getpass", "errno", "termios", "tty", "syslog")
def machine():
    import errno
    import grp
    import os
    import platform
    import pwd
    import resource
    import termios
    import time

    try:
        termios.tcgetattr(os.open("/dev/null", os.O_RDONLY))
    except termios.error as error:
        found = [f"caught {error.args[0]}"]
    try:
        resource.getrlimit(999)
    except (ValueError, resource.error) as error:
        found.append(f"caught {error} {resource.error is OSError}")
    return [
        *found,
        pwd.getpwuid(0).pw_name,
        raised(pwd.getpwnam, "no such"),
        grp.getgrgid(0).gr_name,
        type(pwd.getpwuid(0)) is pwd.struct_passwd,
        time.tzname,
        time.gmtime(0),
        type(time.gmtime(0)) is time.struct_time,
        time.strftime("%Y", (2020,) + (1,) * 8),
        raised(time.mktime, "x"),
        errno.errorcode[2],
        os.strerror(2),
        platform.python_implementation(),
        raised(time.sleep, -1),
        time.localtime(0).tm_zone,
        time.get_clock_info("time").adjustable,
        type(resource.getrusage(0)) is resource.struct_rusage,
        raised(time.clock_gettime, 9999),
    ]
