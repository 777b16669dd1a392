"""An interpreter's own os.environ, sys.path, sys.argv, virtual environment and warnings filters."""

import errno
import os
import posix
import sys
import warnings

import _moult


def install(spec, is_main):
    if is_main:
        install_real_environ(spec["env"])
    else:
        install_own_environ(spec["env"])
        # 3.11 gives a sub-interpreter no limit.
        sys.set_int_max_str_digits(sys.int_info.default_max_str_digits)
    apply_flags(spec["python_flags"], spec["warnings"])
    install_path(spec)
    sys.argv = list(spec["argv"]) or [""]


def install_real_environ(env):
    """In process isolation the process' environment is the app's."""
    # What is so already stays where the kernel has put it, behind the command line: setproctitle finds that by it.
    for name in os.environ.keys() - env.keys():
        del os.environ[name]
    for name, value in env.items():
        if os.environ.get(name) != value:
            os.environ[name] = value
    if "TZ" in env:
        import time

        time.tzset()


def install_own_environ(env):
    """os.environ becomes a dictionary of this interpreter: the C environment belongs to the host
    and is seen by all of its interpreters, so nothing writes to it. Children get this one."""
    for module in (os, posix):  # os._Environ looks them up in os
        module.putenv, module.unsetenv = putenv, unsetenv
    data = os.environ._data  # shared with os.environb
    data.clear()
    for name, value in env.items():
        data[os.fsencode(name)] = os.fsencode(value)
    for_children.update(data)
    os.system = system
    give_children_this_environ()


for_children = {}  # what the C environment is elsewhere: os.putenv() changes it without os.environ


def putenv(name, value, /):
    """Change or add an environment variable."""
    name, value = variable(name), os.fsencode(value)
    if b"\0" in value:
        raise ValueError("embedded null byte")
    for_children[name] = value


def unsetenv(name, /):
    """Delete an environment variable."""
    for_children.pop(variable(name), None)


def variable(name):
    name = os.fsencode(name)
    if b"\0" in name:
        raise ValueError("embedded null byte")
    if b"=" in name:
        raise ValueError("illegal environment variable name")
    if not name:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    return name


def give_children_this_environ():
    """subprocess and multiprocessing end in these C functions, where None means the C environment."""
    for name in ("posix_spawn", "posix_spawnp"):
        if hasattr(os, name):
            setattr(os, name, with_environ(getattr(os, name)))
    try:
        import _posixsubprocess
    except ImportError:
        return
    real = _posixsubprocess.fork_exec

    def fork_exec(args, executables, close_fds, pass_fds, cwd, env, *rest):
        if env is None:
            env = [name + b"=" + value for name, value in for_children.items()]
        rest = list(rest)
        for end in (STDOUT, STDERR):
            if rest[end] == -1:  # the host's own, which are nobody's
                rest[end] = _moult.child_output()
        return real(args, executables, close_fds, pass_fds, cwd, env, *rest)

    _posixsubprocess.fork_exec = fork_exec


STDOUT, STDERR = 3, 5  # c2pwrite and errwrite, in what follows fork_exec's env


def with_environ(spawn):
    """None for `env` is allowed from 3.13 on, and subprocess makes use of it."""

    def call(path, argv, env=None, *, file_actions=(), **options):
        if (output := _moult.child_output()) >= 0:  # what the app wants comes later, and wins
            ours = [(os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, output, 2)]
            file_actions = ours + list(file_actions or ())
        return spawn(path, argv, for_children if env is None else env, file_actions=file_actions, **options)

    return call


def system(command):
    """os.system through subprocess, because the C function gives the host's environment."""
    import subprocess

    code = subprocess.call(["/bin/sh", "-c", os.fsdecode(command)])
    return -code if code < 0 else code << 8


def apply_flags(flags, extra_warnings):
    env = os.environ
    if env.get("PYTHONDONTWRITEBYTECODE"):
        sys.dont_write_bytecode = True
    if digits := env.get("PYTHONINTMAXSTRDIGITS"):
        apply_x_option(f"int_max_str_digits={digits}")
    options = [option for option in env.get("PYTHONWARNINGS", "").split(",") if option]
    flags = list(flags)
    while flags:
        flag = flags.pop(0)
        if flag[:2] in ("-W", "-X") and len(flag) == 2:
            if not flags:
                break
            flag += flags.pop(0)
        if flag.startswith("-W"):
            options.append(flag[2:])
        elif flag == "-B":
            sys.dont_write_bytecode = True
        elif flag.startswith("-X"):
            apply_x_option(flag[2:])
        elif flag not in ("-E", "-s", "-u", "-b", "-I", "-q"):
            refuse_flag(flag)
    options += extra_warnings
    if options:
        sys.warnoptions.extend(options)
        warnings._processoptions(options)


def apply_x_option(option):
    name, _, value = option.partition("=")
    if name == "int_max_str_digits":
        try:
            sys.set_int_max_str_digits(int(value))
        except ValueError:
            refuse_flag("-X" + option)
    elif name == "tracemalloc":
        refuse_flag("-X" + option)
    elif name != "utf8":  # always on
        refuse_flag("-X" + option)
        return
    sys._xoptions[name] = value or True


def refuse_flag(flag):
    _moult.notice("warning", f"python flag {flag} has no effect inside a running process")


def install_path(spec):
    venv = spec["venv"]
    if venv:
        take_base_of(venv)
        sys.executable = os.path.join(venv, "bin", "python")
        if sys.version_info >= (3, 14):  # site insists on it there, and before that it spoils it
            sys.prefix = sys.exec_prefix = venv
    run_site(spec)
    sys.flags = own_flags(spec["python_flags"])
    first = [*spec["path"], spec["tree"]]
    added = os.environ.get("PYTHONPATH")
    if added and not {"-E", "-I"} & set(spec["python_flags"]):
        first += [os.path.abspath(entry) for entry in added.split(os.pathsep)]  # "" too, as python does
    own = spec["module_dir"]
    sys.path[:] = list(dict.fromkeys([*first, *(entry for entry in sys.path if entry not in ("", own))]))


def take_base_of(venv):
    """The host was started by the real path of the Python behind the environment, which may have been made by
    way of a symlink (uv's are): it is named as the environment names it."""
    try:
        with open(os.path.join(venv, "pyvenv.cfg"), encoding="utf-8") as file:
            pairs = [line.partition("=") for line in file]
    except (OSError, UnicodeDecodeError):
        return
    home = next((value.strip() for key, _, value in reversed(pairs) if key.strip().lower() == "home"), "")
    base = os.path.dirname(home)
    if base != sys.base_prefix and os.path.realpath(base) == os.path.realpath(sys.base_prefix):
        sys.base_prefix = sys.base_exec_prefix = sys.prefix = sys.exec_prefix = base


def own_flags(flags):
    """The host was started with -I and -S; the app as python3 would start it. ssl and asyncio look there before they
    mind the environment, and children are started with the same flags."""
    isolated = "-I" in flags
    own = {
        "isolated": isolated,
        "no_site": False,
        "ignore_environment": isolated or "-E" in flags,
        "no_user_site": isolated or "-s" in flags or bool(os.environ.get("PYTHONNOUSERSITE")),
        "safe_path": isolated or "-P" in flags or bool(os.environ.get("PYTHONSAFEPATH")),
        "dont_write_bytecode": sys.dont_write_bytecode,
        "int_max_str_digits": sys.get_int_max_str_digits(),
    }
    names = type(sys.flags).__match_args__
    return _moult.flags_like(sys.flags, tuple(type(old)(own.get(name, old)) for name, old in zip(names, sys.flags)))


def run_site(spec):
    """What python does at start without -S: pyvenv.cfg, site-packages, .pth files."""
    import site

    wants_user_site = "-s" not in spec["python_flags"] and not os.environ.get("PYTHONNOUSERSITE")
    site.ENABLE_USER_SITE = wants_user_site and os.getuid() == os.geteuid() and os.getgid() == os.getegid()
    site.main()
