"""Runs one program where it can do nothing but compute: started as a script of its own, never imported.

``python -I -S confined.py SPEC``, SPEC a JSON object: ``argv``, ``environment``, ``root`` (an empty folder),
``binds`` (files and folders that are seen, read-only, under their own paths), ``hidden`` (folders among them
that look empty), ``links`` (path to target), ``uid`` (who the program is inside where root calls, which
``mapped`` says), ``limits`` by the names of ``resource``, and ``ready``, a file descriptor. To ``ready`` goes
``ok`` just before the program starts, or what went wrong.

One process forks three. The first outlives nothing and belongs to the caller; the second leaves its user,
mount, network, process, IPC and host namespaces; the third is process 1 of the new ones, makes the root, and
the fourth gives up what is left (capabilities, system calls, resources) and becomes the program. When process
1 dies, the kernel kills everything in there.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import resource
import signal
import struct
import sys
from typing import Any, NoReturn

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
NAMESPACES = (
    CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP
)
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
MNT_DETACH = 2
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP = 1, 4, 24, 38, 22
SECCOMP_MODE_FILTER = 2
EPERM, ENOSYS = 1, 38

# Calls that no program needs which only computes, by machine: (the filter's architecture, pivot_root,
# refused). Whatever starts a process or a thread, opens a socket, leaves a namespace, looks into another
# process, makes the whole machine write, or reaches parts of the kernel that are rarely used and often
# broken. Both lists name the same calls, so far as both machines have them; a test
# reads the kernel's headers.
MACHINES: dict[str, tuple[int, int, tuple[int, ...]]] = {
    "x86_64": (0xC000003E, 155, (
        29, 41, 42, 49, 50, 53, 56, 57, 58, 64, 68, 101, 103, 133, 135, 154, 155, 161, 162, 163, 165, 166,
        167, 168, 169, 170, 171, 172, 173, 175, 176, 179, 206, 212, 240, 246, 248, 249, 250, 253, 256,
        259, 272, 275, 276, 278, 279, 294, 298, 300, 303, 304, 306, 308, 310, 311, 312, 313, 319, 320,
        321, 322, 323, 425, 426, 427, 428, 429, 430, 431, 432, 433, 434, 438, 440, 442, 443, 447,
    )),
    "aarch64": (0xC00000B7, 41, (
        0, 18, 26, 33, 39, 40, 41, 51, 60, 75, 76, 77, 81, 89, 92, 97, 104, 105, 106, 116, 117, 142, 161,
        162, 180, 186, 190, 194, 198, 199, 200, 201, 203, 217, 218, 219, 220, 224, 225, 238, 239, 241,
        262, 264, 265, 267, 268, 270, 271, 272, 273, 279, 280, 281, 282, 294, 425, 426, 427, 428, 429,
        430, 431, 432, 433, 434, 438, 440, 442, 443, 447,
    )),
}  # fmt: skip
CLONE3 = 435
"""Refused as unknown, so that the C library tries the older call and is refused there."""

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: Any) -> int:
    """A function of the C library. Raises OSError."""
    result: int = getattr(_libc, name)(*arguments)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def _mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    encoded = [each.encode() if each is not None else None for each in (source, target, kind)]
    try:
        _call("mount", *encoded, ctypes.c_ulong(flags), data.encode() if data else None)
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror} ({source} on {target})") from error


def main() -> NoReturn:
    """Waits for the program and ends as it did: its exit code, or 128 and the signal."""
    spec = json.loads(sys.argv[1])
    try:
        _call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # whoever called may be killed
        if platform.machine() not in MACHINES:
            raise OSError(ENOSYS, f"no list of system calls for {platform.machine()}")
        os._exit(_outside(spec))
    except BaseException as error:
        _tell(spec, str(error) or type(error).__name__)


def _tell(spec: dict[str, Any], what: str) -> NoReturn:
    os.write(spec["ready"], f"failed: {what}".encode())
    os._exit(125)


def _outside(spec: dict[str, Any]) -> int:
    """The caller's child: maps users for the one that leaves, and waits."""
    left, mapped = os.pipe(), os.pipe()
    leaver = os.fork()
    if leaver == 0:
        try:
            os._exit(_leave(spec, left[1], mapped[0]))
        except BaseException as error:
            _tell(spec, str(error) or type(error).__name__)
    os.close(left[1])
    if os.read(left[0], 1):
        _map_users(leaver, spec["uid"])
        os.write(mapped[1], b".")
    os.close(mapped[1])
    os.close(spec["ready"])
    return _ended(leaver)


def _map_users(pid: int, uid: int) -> None:
    """Root inside is whoever calls, and where that is root itself, the program is nobody inside and out."""
    me, group = os.geteuid(), os.getegid()
    if me:
        _write(f"/proc/{pid}/setgroups", "deny")
    extra = f"\n{uid} {uid} 1" if me == 0 else ""
    _write(f"/proc/{pid}/uid_map", f"0 {me} 1{extra}")
    _write(f"/proc/{pid}/gid_map", f"0 {group} 1{extra}")


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def _leave(spec: dict[str, Any], left: int, mapped: int) -> int:
    _call("unshare", NAMESPACES)
    _call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    _call("prctl", PR_SET_DUMPABLE, 1, 0, 0, 0)  # else its maps could not be written
    os.write(left, b".")
    if not os.read(mapped, 1):
        raise OSError(EPERM, "users could not be mapped")
    first = os.fork()
    if first == 0:
        try:
            os._exit(_first(spec))
        except BaseException as error:
            _tell(spec, str(error) or type(error).__name__)
    os.close(spec["ready"])
    return _ended(first)


def _first(spec: dict[str, Any]) -> int:
    """Process 1: makes the root, starts the program, and takes everything down with it."""
    _call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.setsid()
    _make_root(spec)
    program = os.fork()
    if program == 0:
        try:
            _become(spec)
        except BaseException as error:
            _tell(spec, str(error) or type(error).__name__)
    os.close(spec["ready"])
    return _ended(program)


def _ended(pid: int) -> int:
    while True:
        found, status = os.wait()
        if found == pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _make_root(spec: dict[str, Any]) -> None:
    root, fixed = spec["root"], MS_RDONLY | MS_NOSUID | MS_NODEV
    _mount("none", "/", None, MS_REC | MS_PRIVATE)
    _mount("tmpfs", root, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,nr_inodes=4096,mode=755")
    for path in spec["binds"]:
        target = root + path
        if os.path.isdir(path):
            os.makedirs(target, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o444))
        _mount(path, target, None, MS_BIND | MS_REC)
        _mount("none", target, None, MS_REMOUNT | MS_BIND | fixed)
    for path in spec["hidden"]:
        if os.path.isdir(root + path):
            _mount("tmpfs", root + path, "tmpfs", fixed, "size=4k,mode=755")
    for path, target in spec["links"]:
        if not os.path.lexists(root + path):
            os.makedirs(os.path.dirname(root + path), exist_ok=True)
            os.symlink(target, root + path)
    os.chdir(root)
    _call("syscall", ctypes.c_long(MACHINES[platform.machine()][1]), b".", b".")
    _call("umount2", b".", MNT_DETACH)
    os.chdir("/")
    _mount("none", "/", None, MS_REMOUNT | MS_BIND | fixed)


def _become(spec: dict[str, Any]) -> NoReturn:
    """The program itself: gives up everything, in an order in which each step can still be taken."""
    limits = spec["limits"]
    for name in ("CORE", "FSIZE", "MEMLOCK", "MSGQUEUE"):
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (0, 0))
    for name, value in limits.items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))
    _drop_capabilities()
    if spec["mapped"]:
        os.setgroups([])
        os.setresgid(spec["uid"], spec["uid"], spec["uid"])
        os.setresuid(spec["uid"], spec["uid"], spec["uid"])
    _call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    os.set_inheritable(spec["ready"], False)
    _refuse_calls()
    os.write(spec["ready"], b"ok")
    os.execve(spec["argv"][0], spec["argv"], spec["environment"])


def _drop_capabilities() -> None:
    """Empties the set that bounds all others: whoever the program is, starting it leaves it none."""
    capability = 0
    while True:
        try:
            _call("prctl", PR_CAPBSET_DROP, capability, 0, 0, 0)
        except OSError:
            return
        capability += 1


def _refuse_calls() -> None:
    architecture, _, refused = MACHINES[platform.machine()]
    load, equal, at_least, give = 0x20, 0x15, 0x35, 0x06
    allow, error, kill = 0x7FFF0000, 0x00050000, 0x80000000
    steps = [(load, 0, 0, 4), (equal, 1, 0, architecture), (give, 0, 0, kill), (load, 0, 0, 0)]
    steps += [(at_least, 0, 1, 0x40000000), (give, 0, 0, error | EPERM)]  # the x32 calls
    steps += [(equal, 0, 1, CLONE3), (give, 0, 0, error | ENOSYS)]
    for number in refused:
        steps += [(equal, 0, 1, number), (give, 0, 0, error | EPERM)]
    steps.append((give, 0, 0, allow))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code))
    _call("prctl", PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.c_char_p(program), 0, 0)


if __name__ == "__main__":
    main()
